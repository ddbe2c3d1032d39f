import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { production, reaches, start, startRouter } from "./world.ts";

test("how rollouts stand, what is pinned, what the gate said and whether one could go back is at /metrics", async () => {
  await using server = await startRouter();
  const { client, judge, lastgood } = server;
  const token = await server.tokenAs("viewer");
  const metrics = async () => {
    const headers = { authorization: `Bearer ${token}` };
    return await (await fetch(`${lastgood.url}/metrics`, { headers })).text();
  };
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("insufficient");
  await client.probePrior(production, "router");
  const series = '{environment="production",artifact="router"}';
  const lines = [
    'lastgood_rollouts{phase="canary"} 1',
    `lastgood_rollout_share${series} 0.1`,
    'lastgood_rollout_verdict{environment="production",artifact="router",verdict="insufficient"} 1',
    `lastgood_prior_passable${series} 1`,
    'lastgood_pins{environment="production"} 1',
    'lastgood_pin_epoch{environment="production"} 2',
    'lastgood_pin_followers{state="acknowledged"} 0',
    'lastgood_gate_runs{outcome="promote"} 0',
  ];
  const text = await until("all of it to be told", async () => {
    const told = await metrics();
    return lines.every((line) => told.includes(`${line}\n`)) ? told : null;
  });
  const [, age = ""] = /lastgood_prior_probe_age_seconds\{[^}]*\} (\S+)/.exec(text) ?? [];
  assert.ok(Number(age) >= 0 && Number(age) < 60, age);

  judge.say("well");
  await reaches(client, id, "live");
  await client.rollBackRelease(production, "router", { because: "go" });
  const after = await until("what is over to be told as over", async () => {
    const told = await metrics();
    return told.includes('lastgood_rollouts{phase="rolled-back"} 1\n') ? told : null;
  });
  assert.doesNotMatch(after, /lastgood_rollouts\{phase="canary"\}|lastgood_rollout_share\{/);
});
