/** How an incident is written up, where others do so too, and where the server stops. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Recovery } from "@lastgood/sdk";
import { pino } from "pino";
import { orAborted } from "../../src/abort.ts";
import { resultOf } from "../../src/checks/check.ts";
import { configSchema } from "../../src/config/config.ts";
import { Fault } from "../../src/fault.ts";
import type { IncidentId } from "../../src/ids.ts";
import { createLearning, type LearningDeps } from "../../src/learning/learning.ts";
import { checkOf } from "../../src/learning/learning-store.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { incidentOf, recoveryOf } from "../skills/records.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const incident = "inc_1" as IncidentId;
const shares = (version: string) => [{ version, share: 100 }];
const action = {
  ...{ environment: "production", artifact: "router", bars: ["14"] },
  ...{ from: { shares: shares("14") }, to: shares("13") },
};
const turned: Recovery["steps"][number] = {
  ...{ index: 0, layer: "versions", stage: "restore", says: "", state: "verified", action },
  ...{ observed: [], startedAt: null, endedAt: null },
};
const failing = Array.from({ length: 4 }, (_, n) => ({
  ...{ key: `${n}`, input: { n }, expected: "refunds", dimensions: null },
}));

/** A server with a bank of nothing, whose releases are tried so. */
function learningOf(
  db: Db,
  holder: string,
  works: Pick<LearningDeps["releaseWorks"], "tryChecks" | "add">,
) {
  return createLearning({
    ...{ db, world: realWorld, log: pino({ level: "silent" }), holder },
    releaseWorks: {
      failingInputs: async () => failing,
      recentInputs: async () => [],
      comparedBy: async () => ({ kind: "exact" }),
      droppedOf: async () => [],
      learned: async () => null,
      ...works,
    },
    configuration: { base: "/", current: () => configSchema.parse({}) },
    sandboxes: {} as LearningDeps["sandboxes"],
    judgedBefore: async () => null,
    bank: {} as LearningDeps["bank"],
    incidentOf: async () => incidentOf(incident),
    recoveryOf: async () => recoveryOf(incident, { steps: [turned] }),
    checkHistory: async () => ({ good: 0, bad: 0 }),
    rerunsOf: async () => [],
  });
}

test("of two servers one makes the check of an incident, and the other finds it", async () => {
  await using store = await startDatabase({ max: 6 });
  const { db } = store;
  const asked = new Set<string>();
  const bank = new Set<string>();
  const serverCalled = (holder: string) =>
    learningOf(db, holder, {
      async tryChecks({ version }, checks) {
        asked.add(holder);
        await new Promise(setImmediate);
        const outcome = version === "14" ? "fail" : "pass";
        return checks.map((check) => {
          const ran = check.cases.map((each) => ({
            ...({ case: each.name, outcome, score: 0, says: "", answer: "", tookMs: 1 } as const),
          }));
          return resultOf(check, ran, null);
        });
      },
      async add({ name }) {
        if (bank.has(name)) throw new Fault("already_exists", "it is there, and says otherwise");
        bank.add(name);
        return { file: `${name}.yaml` };
      },
    });
  const servers = ["a", "b"].map(serverCalled);
  for (const server of servers) server.beginCheck(incident);
  await until("both to have had their turn", async () => {
    const [lease] = await db<{ epoch: number; free: boolean }[]>`
      select epoch, expires_at <= now() as free from leases where name = ${`learning:${incident}`}`;
    return lease?.epoch === servers.length && lease.free;
  });
  const check = await checkOf(db, incident);
  assert.ok(check?.accepted, check?.because);
  assert.equal((await db`select from checks`).length, 1);
  assert.equal(asked.size, 1, "the other asked no release");
  await Promise.all(servers.map((server) => server.stop()));
});

test("a write-up whose check a stop ended writes nothing: the next start makes both", async () => {
  await using store = await startDatabase();
  const { db } = store;
  const trying = Promise.withResolvers<void>();
  const learning = learningOf(db, "a", {
    async tryChecks(_release, _checks, signal) {
      trying.resolve();
      return await orAborted(new Promise<never>(() => {}), signal);
    },
    add: async () => assert.fail("nothing was shown"),
  });
  const stopped = assert.rejects(learning.finish(incident), /the server stops/);
  await trying.promise;
  await learning.stop();
  await stopped;
  assert.equal((await db`select from post_mortems`).length, 0);
  assert.equal(await checkOf(db, incident), null);
});
