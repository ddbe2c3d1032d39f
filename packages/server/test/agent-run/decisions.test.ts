import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Ended,
  endOf,
  exitCodeOf,
  nextAfter,
  type ProgramEnd,
  type RestartPolicy,
  restartPolicies,
} from "../../src/agent-run/agent-run.ts";

const exited = (code: number): ProgramEnd => ({ code, signal: null, outOfMemory: false });
const killed: ProgramEnd = { code: null, signal: "SIGKILL", outOfMemory: false };
const once = { livedMs: 5_000, inARow: 0 };

test("how a program ended is told as what it was, in words that say what was seen", () => {
  assert.deepEqual(endOf(exited(0), null), { reason: "completed", detail: "exit code 0" });
  assert.deepEqual(endOf(exited(3), null), { reason: "crashed", detail: "exit code 3" });
  assert.deepEqual(endOf(killed, null), { reason: "crashed", detail: "signal SIGKILL" });
  assert.deepEqual(endOf({ ...killed, outOfMemory: true }, null), {
    reason: "crashed",
    detail: "signal SIGKILL: out of memory",
  });
  assert.deepEqual(endOf(exited(1), { by: "signal", signal: "SIGTERM", reason: "evicted" }), {
    reason: "evicted",
    detail: "SIGTERM to agent run; then exit code 1",
  });
  assert.equal(exitCodeOf(killed), 137);
});

test("what comes next follows the policy", () => {
  const next = (policy: RestartPolicy, program: ProgramEnd, ended: Ended = null) =>
    nextAfter(program, ended, { policy, max: null }, once);
  assert.equal(next("on-crash", exited(0)).do, "exit");
  assert.equal(next("on-crash", exited(1)).do, "restart");
  assert.equal(next("on-crash", killed).do, "restart");
  assert.equal(next("always", exited(0)).do, "restart");
  assert.deepEqual(next("never", exited(9)), { do: "exit", code: 9, because: null });
  const hung: Ended = { by: "session", reason: "hung", detail: "it was not heard for 10 s" };
  assert.equal(next("on-crash", killed, hung).do, "restart");
  assert.deepEqual(next("never", exited(0), hung), { do: "exit", code: 1, because: null });
});

test("whoever was told to stop, fenced or parked is never started again", () => {
  const ends: readonly Ended[] = [
    { by: "signal", signal: "SIGTERM", reason: "stopped" },
    { by: "session", reason: "fenced", detail: "sess_2 took its place" },
    { by: "session", reason: "parked", detail: "" },
  ];
  for (const policy of restartPolicies) {
    const codes = ends.map((ended) => {
      const next = nextAfter(killed, ended, { policy, max: null }, once);
      return next.do === "exit" ? next.code : next.do;
    });
    assert.deepEqual(codes, [137, 5, 7]);
  }
});

test("it is started again later and later, to a minute, and at once after a minute of health", () => {
  const restarting = { policy: "always", max: null } as const;
  const pauses: number[] = [];
  for (let inARow = 0; inARow < 9; ) {
    const next = nextAfter(exited(1), null, restarting, { livedMs: 100, inARow });
    if (next.do !== "restart") assert.fail();
    pauses.push(next.afterMs);
    inARow = next.inARow;
  }
  assert.deepEqual(
    pauses,
    [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000),
  );
  const healthy = nextAfter(exited(1), null, restarting, { livedMs: 60_000, inARow: 8 });
  assert.deepEqual(healthy, { do: "restart", afterMs: 1_000, inARow: 1 });
});

test("--max-restarts holds in a row, whatever the lives", () => {
  fc.assert(
    fc.property(
      fc.nat(5),
      fc.array(fc.nat(120_000), { minLength: 20, maxLength: 40 }),
      (max, lives) => {
        let inARow = 0;
        for (const livedMs of lives) {
          const next = nextAfter(exited(1), null, { policy: "on-crash", max }, { livedMs, inARow });
          const before = livedMs >= 60_000 ? 0 : inARow;
          assert.equal(next.do, before >= max ? "exit" : "restart");
          if (next.do === "exit") return;
          inARow = next.inARow;
          assert.ok(inARow <= max);
        }
      },
    ),
  );
});
