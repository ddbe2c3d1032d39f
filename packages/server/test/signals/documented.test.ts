import assert from "node:assert/strict";
import { test } from "node:test";
import { paste } from "../support/pasted.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const artifact = "support-router";

test("what docs/statistics.md says can be pasted, line by line", async () => {
  const gate = {
    judge: async () => ({ kind: "promote", because: "as told", scores: [], failed: [] }) as const,
  };
  const rollouts = {
    [artifact]: { ramp: [50, 100], hold: "1h", guardrails: [{ signal: "quality" }] },
  };
  await using server = await startServer({ rollouts }, { gate });
  const { client } = server;
  for (const version of ["v13", "v14"]) {
    const content = { endpoint: "local", model: version };
    await client.publishRelease(artifact, { version, kind: "model", content });
  }
  await client.deployRelease("production", artifact, { version: "v13", inFlight: "switch" });
  await client.startRollout("production", artifact, { version: "v14", because: "fewer tokens" });
  await until("v14 to be watched", async () => {
    const { judgement } = await client.judgement("production", artifact);
    return judgement?.candidate === "v14" ? judgement : null;
  });
  const said = await paste("docs/statistics.md", server);
  const expected = [
    /support-router:v14 in production, beside v13: insufficient\n/,
    /SIGNAL +SEGMENT +VERDICT +LEVEL +AGAINST +FLOOR/,
    /It serves 10 % of the traffic, and is compared with what serves the rest/,
    /80\.0 % right instead of 95\.0 %: half of them found by +\d+ /,
    /"accepted":1,"unjudged":0,"late":0,"unknownRelease":0/,
    /"judgement":\{"environment":"production","artifact":"support-router","candidate":"v14","control":"v13"/,
  ];
  for (const each of expected) assert.match(said, each);
});
