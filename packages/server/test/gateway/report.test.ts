import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewayReport } from "@lastgood/sdk";
import { pino } from "pino";
import { Fault } from "../../src/fault.ts";
import { createAdmission } from "../../src/gateway/admission.ts";
import { startReports } from "../../src/gateway/report.ts";
import { until } from "../support/until.ts";

const log = pino({ level: "silent" });

const sampleOf = (n: number): GatewayReport["samples"][number] => ({
  ...{ release: "router:13", service: "router", signal: "success", ok: true, key: String(n) },
  at: new Date(n).toISOString(),
});

test("while nobody takes them the newest 10,000 samples are kept, and those that went are counted", async () => {
  const taken: string[] = [];
  let isAway = true;
  const reports = startReports({
    log,
    async send({ samples }) {
      if (isAway) throw new Fault("server_unreachable", "nobody is there");
      taken.push(...samples.map(({ key = "" }) => key));
    },
  });
  for (let n = 0; n < 12_500; n++) reports.tell({ samples: [sampleOf(n)], executions: [] });
  assert.deepEqual([reports.counts().buffered, reports.counts().dropped], [10_000, 2_500]);
  isAway = false;
  await until("all to be taken", () => reports.counts().buffered === 0);
  assert.deepEqual(
    taken,
    Array.from({ length: 10_000 }, (_, n) => String(n + 2_500)),
    "in their order, the oldest gone, none twice",
  );
  isAway = true;
  reports.tell({ samples: [sampleOf(1)], executions: [] });
  const left = await reports.stop();
  assert.deepEqual(left.samples, [sampleOf(1)], "what nobody took is handed back");
});

test("what is refused for good holds up nothing else, and is counted", async () => {
  const taken: string[] = [];
  const reports = startReports({
    log,
    async send({ samples, executions }) {
      assert.deepEqual(executions, []);
      const keys = samples.map(({ key = "" }) => key);
      if (keys.includes("13")) throw new Fault("bad_input", "13 is bad luck");
      taken.push(...keys);
    },
  });
  reports.tell({ samples: Array.from({ length: 100 }, (_, n) => sampleOf(n)), executions: [] });
  await until("the others to be taken", () => taken.length === 99);
  await until("it to be counted", () => reports.counts().refused === 1);
  assert.deepEqual([taken.includes("13"), new Set(taken).size], [false, 99]);
  await reports.stop();
});

test("a token that was let in stays good while nobody can be asked, and a revoked one does not", async () => {
  let now = 0;
  let answer: () => Promise<{ name: string; agent: string | null }> = async () => ({
    ...{ name: "triager", agent: "triager" },
  });
  let asked = 0;
  const admission = createAdmission({
    now: () => now,
    look() {
      asked += 1;
      return answer();
    },
  });
  const many = await Promise.all([admission.admit("one"), admission.admit("one")]);
  assert.deepEqual([many.length, asked], [2, 1], "asked once for all that wait");
  await admission.admit("one");
  assert.equal(asked, 1, "what was known a moment ago will do");

  answer = async () => {
    throw new Fault("server_unreachable", "nobody is there");
  };
  now = 3_600_000;
  assert.equal((await admission.admit("one")).agent, "triager");
  await assert.rejects(admission.admit("two"), { code: "server_unreachable" });
  answer = () => new Promise(() => {});
  now += 3_600_000;
  assert.equal((await admission.admit("one")).agent, "triager", "one that hangs holds nobody up");
  now += 8 * 86_400_000;
  const later = createAdmission({
    ...{ now: () => now, known: admission.known() },
    look: async () => {
      throw new Fault("unauthenticated", "revoked");
    },
  });
  await assert.rejects(later.admit("one"), { code: "unauthenticated" });
  assert.equal(later.known().size, 0);
});
