import assert from "node:assert/strict";
import { test } from "node:test";
import { untried } from "../../src/incidents/bisection.ts";
import { type RerunRequest, rerun } from "../../src/incidents/reruns.ts";
import type { CheckRun } from "../../src/sandbox/sandbox.ts";

const revisions = ["base", "one", "two", "three"];

interface Watched {
  openNow: number;
  openMost: number;
  readonly afters: (string | undefined)[];
}

function requestOf(
  given: Partial<RerunRequest> & {
    readonly check?: (revision: string) => CheckRun["outcome"];
    readonly cannotOpen?: boolean;
  },
): { readonly request: RerunRequest; readonly watched: Watched } {
  const { check = () => "good", cannotOpen = false, ...rest } = given;
  const watched: Watched = { openNow: 0, openMost: 0, afters: [] };
  const request: RerunRequest = {
    service: "content-api",
    revisions,
    line: {
      tallies: revisions.map(() => untried),
      history: { good: 0, bad: 0 },
      weights: [0.2, 0.2, 0.3],
    },
    servedBefore: "base",
    weights: () => [0.2, 0.2, 0.3],
    onRun: async () => {},
    signal: new AbortController().signal,
    sandboxes: {
      declared: () => true,
      warm: () => {},
      async open(service, revision, _, after) {
        if (cannotOpen) throw new Error("no port is free");
        watched.afters.push(after);
        watched.openNow += 1;
        watched.openMost = Math.max(watched.openMost, watched.openNow);
        return {
          service,
          revision,
          async check(signal) {
            await new Promise((resolve) => setImmediate(resolve));
            signal.throwIfAborted();
            const about = { service, revision, exitCode: 0, startedAt: new Date(), tookMs: 1 };
            return { ...about, outcome: check(revision), output: "" };
          },
          async [Symbol.asyncDispose]() {
            watched.openNow -= 1;
          },
        };
      },
    },
    ...rest,
  };
  return { request, watched };
}

test("the line is settled with at most two sandboxes at work, all of them closed in the end", async () => {
  const seen: CheckRun[] = [];
  const { request, watched } = requestOf({
    check: (revision) => (revision === "two" || revision === "three" ? "bad" : "good"),
    onRun: async (_, run) => void seen.push(run),
  });
  const end = await rerun(request);
  await end.closed;
  assert.equal(end.why, "settled");
  assert.equal(watched.openNow, 0);
  assert.ok(watched.openMost <= 2, `${watched.openMost}`);
  assert.ok(watched.afters.every((after) => after === "base"));
  const counted = end.line.tallies.reduce((sum, { good, bad }) => sum + good + bad, 0);
  assert.equal(seen.length, counted, "every run was handed over");
});

test("sandboxes that cannot be opened end it after the second try, and say why", async () => {
  const { request } = requestOf({ cannotOpen: true });
  const end = await rerun(request);
  assert.equal(end.why, "no-sandbox");
  assert.match(end.says, /no port is free/);
});

test("when the time is up it stops, and what was cut off counts for nothing", async () => {
  const time = new AbortController();
  let runs = 0;
  const { request, watched } = requestOf({
    check: () => {
      runs += 1;
      if (runs === 2) time.abort();
      return "bad";
    },
    signal: time.signal,
  });
  const end = await rerun(request);
  await end.closed;
  assert.equal(end.why, "time");
  assert.ok(end.line.tallies.reduce((sum, { bad }) => sum + bad, 0) <= 2);
  assert.equal(watched.openNow, 0);
});

test("a run that cannot be put on record ends the reruns with that failure, and closes everything", async () => {
  const { request, watched } = requestOf({
    onRun: async () => {
      throw new Error("the store is away");
    },
  });
  await assert.rejects(rerun(request), /the store is away/);
  assert.equal(watched.openNow, 0);
});

test("a revision that there is none of is never opened", async () => {
  const { request } = requestOf({
    revisions: [null, "one", "two", "three"],
    line: {
      tallies: [{ ...untried, cannotTell: 2 }, untried, untried, untried],
      history: { good: 0, bad: 0 },
      weights: [0.2, 0.2, 0.3],
    },
    check: () => "bad",
  });
  const end = await rerun(request);
  assert.notEqual(end.why, "no-sandbox");
});
