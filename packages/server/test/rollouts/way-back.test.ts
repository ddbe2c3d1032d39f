import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Fault } from "@lastgood/sdk";
import { until } from "../support/until.ts";
import { pinned, production, reaches, start, startRouter } from "./world.ts";

/** Starts what its content names, unless that is `broken`. */
const starts = ["sh", "-c", 'echo "$ARTIFACT:$VERSION"; ! grep -q broken "$RELEASE_FILE"'];
const probe = { start: starts, health: ["true"], smoke: [["sh", "-c", 'test -s "$RELEASE_FILE"']] };

test("what a rollback would go to is tried by itself, and a way back that leads nowhere is not taken", async () => {
  await using server = await startRouter({ probe }, { people: {} });
  const { client } = server;
  const { lastgood } = server;
  await client.publishRelease("router", { version: "v12", content: "broken" });
  await client.deployRelease(production, "router", { version: "v12" });
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  const probed = await until("the prior to be tried", async () => {
    const [found] = (await client.priorProbes()).probes;
    return found?.version === "v12" ? found : null;
  });
  assert.deepEqual([probed.ok, probed.starts], [false, true]);
  assert.match(probed.says, /starts: sh -c .* ended with 1: router:v12/);
  const { findings } = await client.coverage();
  assert.ok(
    findings.some(
      ({ code, about }) => code === "prior-not-passable" && about === "production/router",
    ),
  );

  await client.backRollout(id, { because: "it errs" });
  const frozen = await reaches(client, id, "frozen", 10);
  assert.match(frozen.says, /the way back to v12 is not passable \(starts: /);
  const incident = await client.incident(frozen.incident ?? "");
  assert.deepEqual([incident.kind, incident.severity], ["rollout", "critical"]);
  await assert.rejects(client.backRollout(id, { because: "go", unchecked: true }), {
    code: "bad_input",
  });
  await client.backRollout(id, { because: "better broken than wrong", now: true, unchecked: true });
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v12:100");
  const { events } = await client.rollout(id);
  const skipped = events.find(({ event }) => event === "reverse-gate.skipped");
  assert.match(
    skipped?.text ?? "",
    /token:admin lets it go back without looking whether v12 starts/,
  );
  const { history } = await client.pin(production, "router");
  assert.equal(history[0]?.because, "unchecked: better broken than wrong");
  const audits = await lastgood.db`select from audits where action = 'rollout.back-unchecked'`;
  assert.equal(audits.length, 1);
  assert.equal((await client.incident(incident.id)).state, "closed");
});

test("plain rollback looks first as well, and goes without looking only when it is told to", async () => {
  await using server = await startRouter({ probe: { start: ["false"] } });
  const { client, lastgood } = server;
  await client.deployRelease(production, "router", { version: "v14" });
  await assert.rejects(client.rollBackRelease(production, "router"), { code: "not_healthy" });
  assert.equal(await pinned(client), "v14:100");
  await client.rollBackRelease(production, "router", { because: "go", unchecked: true });
  assert.equal(await pinned(client), "v13:100");
  const [newest] = (await client.pin(production, "router")).history;
  assert.deepEqual([newest?.did, newest?.because], ["rollback", "unchecked: go"]);
  const audits = await lastgood.db<{ actor: string; target: string; because: string }[]>`
    select actor, target, because from audits where action = 'rollback.unchecked'`;
  assert.deepEqual(
    audits.map(({ actor, target, because }) => [actor, target, because]),
    [["token:admin", "production/router", "unchecked: go"]],
  );
});

test("what was tried of a way back is forgotten once there is nothing to go back to", async () => {
  await using server = await startRouter();
  const { client } = server;
  await client.deployRelease(production, "router", { version: "v14" });
  const tried = async () => (await client.priorProbes()).probes.map(({ version }) => version);
  await until("the prior to be tried", async () => (await tried()).includes("v13"));
  await client.rollBackRelease(production, "router");
  await until("it to be forgotten", async () => (await tried()).length === 0);
});

test("what a rollback would go to is tried again at each interval, though no pin moves", async () => {
  const start = ["sh", "-c", "test -e can-start"];
  await using server = await startRouter({ probe: { start, every: "1s" } });
  const { client } = server;
  const canStart = join(server.folder, "can-start");
  await writeFile(canStart, "");
  await client.deployRelease(production, "router", { version: "v14" });
  const says = async (ok: boolean) => {
    const [found] = (await client.priorProbes()).probes;
    return found?.version === "v13" && found.ok === ok ? found : null;
  };
  await until("it to be found to start", () => says(true));
  const { epoch } = await client.pin(production, "router");
  await rm(canStart);
  assert.match((await until("it to be found broken", () => says(false))).says, /^starts: sh -c/);
  await writeFile(canStart, "");
  await until("it to be found mended", () => says(true));
  assert.equal((await client.pin(production, "router")).epoch, epoch);
});

test("of two who roll back at once one goes back, and the other is refused: nothing good is barred", async () => {
  // Each looks before it moves, until both have looked at the same pin.
  const untilBoth = "echo look >> looks; until [ $(wc -l < looks) -ge 2 ]; do sleep 0.05; done";
  const start = ["sh", "-c", `! test -e at-once || { ${untilBoth}; }`];
  await using server = await startRouter({ probe: { start } });
  const { client } = server;
  await client.deployRelease(production, "router", { version: "v14" });
  await client.deployRelease(production, "router", { version: "v15" });
  await until("the prior to have been tried by itself", async () => {
    return (await client.priorProbes()).probes.some(({ version }) => version === "v14");
  });
  await writeFile(join(server.folder, "at-once"), "");
  const both = await Promise.allSettled([
    client.rollBackRelease(production, "router"),
    client.rollBackRelease(production, "router"),
  ]);
  const refused = both.filter((each) => each.status === "rejected");
  assert.deepEqual(
    refused.map(({ reason }) => (reason as Fault).code),
    ["version_conflict"],
  );
  assert.equal(await pinned(client), "v14:100");
  assert.equal((await client.release("router", "v14")).barred, null);
});

test("a dial that was split by hand in mid-ramp goes back all the same", async () => {
  await using server = await startRouter();
  const { client } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await client.deployRelease(production, "router", {
    shares: [
      { version: "v13", share: 995 },
      { version: "v14", share: 5 },
    ],
  });
  await client.rollBackRelease(production, "router", { because: "enough" });
  assert.equal(await pinned(client), "v13:100");
  await until("the rollout to have ended", async () => (await client.rollout(id)).endedAt !== null);

  await client.publishRelease("router", { version: "v16", content: { model: "v16" } });
  const second = await start(client, "v15");
  await reaches(client, second.id, "canary", 10);
  await client.deployRelease(production, "router", {
    shares: [
      { version: "v13", share: 80 },
      { version: "v15", share: 10 },
      { version: "v16", share: 10 },
    ],
  });
  // First what was thrown in goes, then what was being rolled out.
  await client.rollBackRelease(production, "router", { because: "enough" });
  assert.equal(await pinned(client), "v13:90 v15:10");
  await client.rollBackRelease(production, "router", { because: "of that too" });
  assert.equal(await pinned(client), "v13:100");
  assert.equal((await client.rollout(second.id)).phase, "rolled-back");
});

test("a probe that hangs is cut off within its time, and what is stored otherwise than published is found", async () => {
  await using server = await startRouter({ probe: { start: ["sleep", "60"], timeout: "300ms" } });
  const { client, lastgood } = server;
  await client.deployRelease(production, "router", { version: "v14" });
  const hung = await client.probePrior(production, "router");
  assert.match(hung.says, /did not end in time/);
  assert.ok(hung.tookMs < 30_000, `${hung.tookMs} ms`);
  const { digest } = await client.release("router", "v13");
  await lastgood.db.begin(async (tx) => {
    await tx`alter table release_contents disable trigger user`;
    await tx`update release_contents set body = '{"model":"v0"}' where digest = ${digest}`;
    await tx`alter table release_contents enable trigger user`;
  });
  const changed = await client.probePrior(production, "router");
  assert.match(changed.says, /^digest: what is stored has the digest [0-9a-f]{12}/);
});

test("blue/green starts the candidate beside the other, then moves everybody at once, and back at once", async () => {
  await using server = await startRouter({ probe, hold: "150ms" });
  const { client, judge } = server;
  await client.publishRelease("router", { version: "v16", content: "broken" });
  const refused = await start(client, "v16", { blueGreen: true });
  const over = await reaches(client, refused.id, "refused");
  assert.match(over.says, /starts: /);
  assert.equal(await pinned(client), "v13:100");

  const { id } = await start(client, "v14", { blueGreen: true, holdMs: 150 });
  await reaches(client, id, "live", 100);
  const { events } = await client.rollout(id);
  assert.deepEqual(
    events
      .filter(({ event }) => ["rollout.admitted", "rollout.promoted"].includes(event))
      .map(({ text, details }) => [text.split(":")[0], details.epoch]),
    [
      ["0 % to v14", undefined],
      ["100 % to v14", 2],
    ],
    "it is started, serves nobody, and then everybody",
  );
  await until("it to be watched", () => judge.watched.size > 0);
  await client.backRollout(id, { because: "wrong language" });
  await reaches(client, id, "rolled-back");
  const { history } = await client.pin(production, "router");
  assert.deepEqual(
    history.map(({ shares }) =>
      shares.map(({ version, share }) => `${version}:${share}`).join(" "),
    ),
    ["v13:100", "v14:100", "v13:100"],
  );
});

test("blue/green keeps no holdback that is configured, and is refused beside a ramp of one's own", async () => {
  await using server = await startRouter({ probe, holdback: 2, hold: "0ms" });
  const { client } = server;
  for (const ramp of [
    [50, 100],
    [0, 100],
  ]) {
    await assert.rejects(start(client, "v14", { blueGreen: true, ramp }), {
      code: "bad_input",
      message: /moves everybody at once.*leave `ramp` out, or `blueGreen`/,
    });
  }
  assert.equal((await client.rollouts()).rollouts.length, 0);
  const { id, plan } = await start(client, "v14", { blueGreen: true });
  assert.equal(plan.holdback, 0);
  await reaches(client, id, "live", 100);
  assert.equal(await pinned(client), "v14:100");
});

test("a holdback keeps the release before for comparison after everybody has the new one", async () => {
  await using server = await startRouter({ holdback: 2, ramp: [50, 100], bake: "100ms" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 50);
  judge.say("well");
  await reaches(client, id, "live", 98);
  assert.equal(await pinned(client), "v13:2 v14:98");
  await until("the bake to end", async () => {
    const { events } = await client.rollout(id);
    return events.some(({ event }) => event === "rollout.baked");
  });
  assert.equal(judge.watched.get("production/router")?.control, "v13");
  judge.say("regression");
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
});
