import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample } from "@lastgood/sdk";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const config = {
  services: {
    "content-api": {
      url: "http://127.0.0.1:9",
      probes: { reads: { path: "/reads", every: "10m", slo: "100ms", read: { queue: "/queue" } } },
    },
  },
  rules: { publishing: { service: "content-api", signal: "publish" } },
};
const good: Sample = { service: "content-api", signal: "publish", ok: true };

test("samples that are sent are judged by the rules in force, and those of no rule are counted", async () => {
  await using server = await startServer(config);
  const agent = await server.clientAs("agent", "frontend");
  const samples = Array.from({ length: 25 }, (_, index) => ({ ...good, key: `run-${index}` }));
  const other: Sample = { service: "elsewhere", signal: "anything", value: 3 };
  const taken = await agent.sendSamples([...samples, other]);
  assert.deepEqual(taken, {
    ...{ accepted: 26, unjudged: 1, late: 0 },
    ...{ unknownRelease: 0, unknownReleases: [] },
  });
  const { rules, counts } = await server.client.signals({ service: "content-api" });
  const rule = rules.find((each) => each.rule === "publishing");
  assert.equal(rule?.verdict, "hold");
  assert.equal(rule?.samples, 25);
  assert.match(rule?.floorFrom ?? "", /provisional: mean 100.0 % of 20 samples/);
  assert.equal(counts.unjudged, 1);
  assert.deepEqual(
    rules.map((each) => [each.rule, each.detector]),
    [
      ["publishing", "late-onset"],
      ["content-api.reads", "late-onset"],
    ],
  );
});

const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
const bad: readonly [string, unknown, string, string][] = [
  ["no samples", { samples: [] }, "bad_input", "body/samples"],
  ["not a list", { samples: good }, "bad_input", "body/samples"],
  [
    "a field that does not exist",
    { samples: [{ ...good, colour: 1 }] },
    "bad_input",
    "body/samples/0",
  ],
  ["nothing observed", { samples: [{ ...good, ok: undefined }] }, "bad_input", "body/samples/0"],
  [
    "not a number",
    { samples: [good, { ...good, value: Number.NaN }] },
    "bad_input",
    "body/samples/1/value",
  ],
  ["out of range", { samples: [{ ...good, value: 1e300 }] }, "bad_input", "body/samples/0/value"],
  [
    "text for a number",
    { samples: [{ ...good, value: "3" }] },
    "bad_input",
    "body/samples/0/value",
  ],
  [
    "a hostile name",
    { samples: [{ ...good, signal: "../x" }] },
    "bad_input",
    "body/samples/0/signal",
  ],
  ["an empty key", { samples: [{ ...good, key: "" }] }, "bad_input", "body/samples/0/key"],
  ["no time", { samples: [{ ...good, at: "yesterday" }] }, "bad_input", "body/samples/0/at"],
  ["the future", { samples: [{ ...good, at: inAnHour }] }, "bad_input", "body/samples/0/at"],
  [
    "too many dimensions",
    { samples: [{ ...good, dimensions: { a: "1", b: "2", c: "3", d: "4", e: "5" } }] },
    "bad_input",
    "body/samples/0/dimensions",
  ],
  [
    "a label of no version",
    { samples: [{ ...good, release: "router" }] },
    "bad_input",
    "body/samples/0/release",
  ],
  [
    "the label `latest`",
    { samples: [good, { ...good, release: "router:latest" }] },
    "bad_input",
    "body/samples/1/release",
  ],
  [
    "a range as a label",
    { samples: [{ ...good, release: "router:^2.0" }] },
    "bad_input",
    "body/samples/0/release",
  ],
  [
    "a hostile environment",
    { samples: [{ ...good, release: "router:v1", environment: "a/b" }] },
    "bad_input",
    "body/samples/0/environment",
  ],
  [
    "an environment of no release",
    { samples: [{ ...good, environment: "production" }] },
    "bad_input",
    "body/samples/0",
  ],
  ["too many at once", { samples: Array(5_001).fill(good) }, "bad_input", "body/samples"],
  [
    "a signal that Lastgood measures itself",
    { samples: [{ ...good, signal: "reads_slo" }] },
    "forbidden",
    "body/samples/0/signal",
  ],
  [
    "a number that a probe reads",
    { samples: [{ ...good, signal: "queue" }] },
    "forbidden",
    "body/samples/0/signal",
  ],
];

test("samples of the wrong form are refused as a whole, with where they are wrong", async () => {
  await using server = await startServer(config);
  const token = await server.tokenAs("agent", "frontend");
  for (const [what, body, code, path] of bad) {
    const response = await fetch(`${server.lastgood.url}/v1/samples`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const problem = (await response.json()) as Record<string, unknown>;
    assert.equal(problem.code, code, `${what}: ${JSON.stringify(problem)}`);
    assert.equal(problem.path, path, what);
  }
  assert.equal((await server.client.rule("publishing")).rule.samples, 0, "nothing was taken in");
});

test("only who may send samples, report for others or have a floor measured anew, can", async () => {
  await using server = await startServer(config);
  const viewer = await server.clientAs("viewer");
  const agent = await server.clientAs("agent", "frontend");
  await assert.rejects(viewer.sendSamples([good]), { code: "forbidden" });
  await assert.rejects(agent.remeasureRule("publishing"), { code: "forbidden" });
  await assert.rejects(
    agent.report({ service: "content-api", text: "slow", reporter: "somebody else" }),
    { code: "not_yours" },
  );
  await assert.rejects(agent.report({ service: "nothing", text: "slow" }), { code: "not_found" });
  await assert.rejects(viewer.rule("nothing"), { code: "not_found", message: /lastgood signals/ });
});

test("three distinct reporters are a witness, however often each of them reports", async () => {
  await using server = await startServer(config);
  const agent = await server.clientAs("agent", "frontend");
  const report = { service: "content-api", text: "publishing hangs" };
  assert.equal((await agent.report(report)).reporters, 1);
  assert.equal((await agent.report(report)).reporters, 1);
  assert.equal((await server.client.report({ ...report, reporter: "ana" })).reporters, 2);
  const third = await server.client.report({ ...report, reporter: "bo" });
  assert.equal(third.reporters, 3);
  const { reports } = await server.client.reports({ service: "content-api" });
  assert.deepEqual(
    reports.map(({ reporter }) => reporter),
    ["bo", "ana", "frontend", "frontend"],
  );
});

test("a rule is shown with its trajectory and the changes of its verdict", async () => {
  await using server = await startServer(config);
  const now = Date.now();
  const at = (index: number) => new Date(now - (630 - index) * 250).toISOString();
  const series = (from: number, n: number, ok: boolean): Sample[] =>
    Array.from({ length: n }, (_, index) => ({ ...good, ok, at: at(from + index) }));
  await server.client.sendSamples([...series(0, 600, true), ...series(600, 30, false)]);
  const { rule, trajectory } = await until("its record", async () => {
    const found = await server.client.rule("publishing");
    const isTold = found.verdicts.some(({ verdict }) => verdict === "drift");
    return isTold && found.trajectory.length > 5 && found;
  });
  assert.equal(rule.onset, at(600));
  assert.ok(trajectory.every((point, index) => point.at >= (trajectory[index - 1]?.at ?? "")));
  assert.ok((trajectory.at(-1)?.evidence ?? 0) > (trajectory[0]?.evidence ?? 0));
  const again = await server.client.remeasureRule("publishing");
  assert.equal(again.floor, null);
});
