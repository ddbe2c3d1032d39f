import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import type { Recovery } from "@lastgood/sdk";
import { chanceOf } from "../../src/drills/random.ts";
import { until } from "../support/until.ts";
import { type BrokenWorld, patienceMs, startBrokenWorld, startHandling } from "./broken-world.ts";

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const everyStep = process.env.EVERY_STEP === "1";
const handful = 3;
/** Worlds mostly wait: a few of them at a time. */
const lanes = 2;
/** Longer than any two of its waits. */
const one = { timeout: 400_000 };

test("killed from outside after any step, Lastgood ends a real recovery the same, nothing twice", {
  timeout: 1_200_000,
  concurrency: lanes,
}, async (t) => {
  const whole: Awaited<ReturnType<typeof uninterrupted>>[] = [];
  await t.test("uninterrupted", one, async () => void whole.push(await uninterrupted()));
  const [{ planned, end: expected } = assert.fail("uninterrupted it does not end")] = whole;
  const points = [
    "captured",
    ...planned.steps.flatMap(({ index }) =>
      ["running", "applied", "verified"].map((word) => `${index}:${word}`),
    ),
    "ended",
  ];
  assert.deepEqual(
    [...new Set(planned.steps.map(({ layer }) => layer))].sort(),
    ["code", "fleet", "messages", "runtime", "signals", "state"],
    "every layer takes part",
  );
  const drawn = everyStep ? points : chanceOf(seed).shuffle(points).slice(0, handful);
  const chosen = process.env.POINT === undefined ? drawn : [process.env.POINT];
  t.diagnostic(`SEED=${seed}: ${chosen.length} of ${points.length} points: ${chosen.join(" ")}`);
  const kill = async (point: string) =>
    await t.test(`killed at ${point}`, one, async () => {
      assert.deepEqual(await killedAt(point), expected, `killed at ${point} (SEED=${seed})`);
    });
  await Promise.all(chosen.map(kill));
});

async function uninterrupted() {
  await using world = await startBrokenWorld();
  const client = await world.start();
  const planned = await world.breakAndPlan(client);
  assert.deepEqual(planned.plan.conflicts, []);
  await client.runRecovery(planned.id, planned.digest);
  return { planned, end: await endOf(world, client, planned) };
}

async function killedAt(point: string): Promise<unknown> {
  await using world = await startBrokenWorld();
  await using doomed = startDoomed(world, point);
  const before = world.clientOf(await said(doomed.child, "url"));
  const planned = await world.breakAndPlan(before);
  await before.runRecovery(planned.id, planned.digest);
  // The last word comes only once agents work again.
  const stop = point === "ended" ? startHandling(before) : null;
  await said(doomed.child, "point");
  const handledBefore = await stop?.();
  await doomed.kill();
  // Only so that this test need not wait for the leases to run out by themselves.
  await world.db`update leases set expires_at = now()`;
  return await endOf(world, await world.start(), planned, handledBefore);
}

/** What the world is like once the recovery is verified and the agents have handled what came. */
async function endOf(
  world: BrokenWorld,
  client: Awaited<ReturnType<BrokenWorld["start"]>>,
  { id }: Recovery,
  handledBefore = { one: 0, two: 0 },
) {
  const stop = startHandling(client);
  let last: Recovery | null = null;
  try {
    await until(
      `${id} to end`,
      async () => {
        last = await client.recovery(id);
        return last.endedAt !== null;
      },
      patienceMs,
    );
  } catch (error) {
    throw new Error(`the recovery has not ended: ${JSON.stringify(last)}`, { cause: error });
  } finally {
    const handled = await stop();
    handledBefore = {
      one: handledBefore.one + handled.one,
      two: handledBefore.two + handled.two,
    };
  }
  const { state, because } = await client.recovery(id);
  assert.deepEqual({ state, because }, { state: "verified", because: "" });
  return { handled: handledBefore, world: await world.read(client) };
}

function startDoomed({ server }: BrokenWorld, holdAt: string) {
  const options = JSON.stringify({ ...server, holdAt });
  const child = fork(join(import.meta.dirname, "killed-server.ts"), [options]);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  return { child, kill, [Symbol.asyncDispose]: kill };
}

/** What the process says under this name; it says nothing else that matters here. */
async function said(child: ChildProcess, name: "url" | "point"): Promise<string> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, AbortSignal.timeout(patienceMs)]);
  const message = async () => {
    for await (const [heard] of on(child, "message", { signal })) {
      const value = (heard as Record<string, string | undefined>)[name];
      if (value !== undefined) return value;
    }
    throw new Error(`it never said its ${name}`);
  };
  const end = async () => {
    const [code] = await once(child, "exit", { signal });
    throw new Error(`the server exited with ${code} before it said its ${name}`);
  };
  try {
    return await Promise.race([message(), end()]);
  } finally {
    done.abort();
  }
}
