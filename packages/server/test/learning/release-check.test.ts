import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { production, publish, type Rules, route, router, startGateWorld } from "../gate/world.ts";
import { refused } from "../releases/world.ts";
import { handJudge, reaches } from "../rollouts/world.ts";
import { until } from "../support/until.ts";

const releases: Readonly<Record<string, Rules>> = {
  "13": {},
  "14": { capitals: "general" },
  "15": { capitals: "spam" },
  "16": { capitals: "refunds" },
};

test("what failed under a release that was rolled back becomes a check once the right answers are known, and the next with the fault fails in shadow", async () => {
  const judge = handJudge();
  const rollouts = {
    [router]: {
      ramp: [50, 100],
      ...{ hold: "0ms", reverse: [100], reverseHold: "0ms", guardrails: [{ signal: "accuracy" }] },
    },
  };
  await using world = await startGateWorld(
    { emptyBank: "allow" },
    { mode: "auto", rollouts },
    { judge },
  );
  const { client, server } = world;
  for (const [version, rules] of Object.entries(releases)) {
    await publish(client, version, rules, version === "13");
  }
  const { id } = await client.startRollout(production, router, { version: "14" });
  await reaches(client, id, "canary", 50);

  const texts = Array.from({ length: 40 }, (_, index) => `refund order ${index}`);
  const tickets = texts.flatMap((text) => [{ text }, { text: text.toUpperCase() }]);
  const done = await Promise.all(
    tickets.map(async (ticket) => {
      const style = ticket.text === ticket.text.toUpperCase() ? "capitals" : "plain";
      const { execution } = await client.beginExecution({
        ...{ artifact: router, key: ticket.text, input: ticket, dimensions: { style } },
      });
      const output = route(ticket, releases[execution.version]);
      await client.endExecution(execution.id, { state: "finished", output });
      return { execution, ticket, wrong: output !== route(ticket) };
    }),
  );
  judge.say("regression");
  const back = await reaches(client, id, "rolled-back");
  const incident = back.incident ?? assert.fail();
  await until("the write-up to wait for what was right", async () => {
    const { state } = await client.incident(incident);
    const post = await client.postMortem(incident).catch(() => null);
    return state === "resumed" && post?.draft === false && post.check !== null;
  });
  const waiting = await client.postMortem(incident);
  assert.equal(waiting.check?.accepted, false);
  assert.match(
    waiting.check?.because ?? "",
    /nothing that failed under support-router:14|nobody has told the right answer/,
  );
  assert.deepEqual([waiting.gap.is, waiting.gap.by], ["shadow-window", "lastgood"]);
  assert.match(waiting.gap.because, /nothing was compared in shadow \(gate_/);

  await Promise.all(
    done.map(({ execution, ticket }) =>
      client.tellOutcome(execution.id, { expected: route(ticket) }),
    ),
  );
  await until("the incident to be closed", async () => {
    return (await client.incident(incident)).state === "closed";
  });
  const { check, gap } = await client.postMortem(incident);
  assert.ok(check?.accepted, check?.because);
  assert.equal(gap.is, "check-bank");
  assert.deepEqual([check.badRevision, check.goodRevision], [`${router}:14`, `${router}:13`]);
  assert.deepEqual(
    [...new Set(check.runs.map(({ revision, outcome }) => `${revision} ${outcome}`))],
    [`${router}:14 bad`, `${router}:13 good`],
  );
  assert.match(check.runs[0]?.output ?? "", /"general" instead of "refunds"/);

  const { checks } = await client.checkBank({ artifact: router });
  const [learned] = checks;
  assert.equal(checks.length, 1);
  assert.equal(learned?.name, `${router}/style-capitals-${incident}`);
  assert.equal(learned?.incident, incident);
  assert.equal(learned?.cases.length, done.filter(({ wrong }) => wrong).length);
  assert.ok(learned?.cases.every(({ expected }) => expected === "refunds"));
  const file = join(server.folder, ".lastgood/checks", `${learned?.name}.yaml`);
  assert.match(await readFile(file, "utf8"), /because: .*14 failed these, all of style=capitals/);

  const same = await world.judge("15");
  assert.equal(same.verdict?.kind, "refuse", same.verdict?.because);
  assert.match(
    same.verdict?.because ?? "",
    new RegExp(`^the check ${learned?.name} fails, which 13 passes`),
  );
  assert.ok(same.shadow?.paired.some(({ of, worse }) => of === "right" && worse));
  const good = await world.judge("16");
  assert.equal(good.verdict?.kind, "promote", good.verdict?.because);
  const next = await client.startRollout(production, router, { version: "15" });
  const refused = await reaches(client, next.id, "refused");
  assert.match(refused.says, /style-capitals/);
});

test("an incident with a rollback and no check stays open until an operator gives the reason for none", async () => {
  const judge = handJudge();
  const rollouts = {
    [router]: {
      ...{ ramp: [50, 100], hold: "0ms", reverse: [100], reverseHold: "0ms" },
      guardrails: [{ signal: "accuracy" }],
    },
  };
  await using world = await startGateWorld(
    { emptyBank: "allow" },
    { mode: "auto", rollouts },
    { judge },
  );
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", { capitals: "general" });
  const { id } = await client.startRollout(production, router, { version: "14" });
  await reaches(client, id, "canary", 50);
  judge.say("regression");
  const incident = (await reaches(client, id, "rolled-back")).incident ?? assert.fail();
  await until("its write-up", async () => {
    const post = await client.postMortem(incident).catch(() => null);
    return (await client.incident(incident)).state === "resumed" && post?.draft === false;
  });
  const post = await client.postMortem(incident);
  assert.match(
    post.check?.because ?? "",
    /keep inputs with gateway\.record, or as `input` of executions/,
  );
  assert.match(post.questions.whyNotCaughtLive, /^the canary caught it: it served 50 %; noticed/);
  assert.match(post.questions.whyChecksPassed, /^gate_\w+ let it through: 14 against 13: 0 of 0/);
  assert.equal(post.answeredBy.wrongIncompleteOrMiscommunicated, null);
  const { next } = await client.incident(incident);
  assert.equal(next[0], `lastgood incident gap ${incident} GAP "why it got through"`);

  const named = await client.nameGap(incident, "communication", "support was not told");
  assert.deepEqual(named.gap, {
    ...{ is: "communication", because: "support was not told", by: "token:admin" },
  });
  await client.answerPostMortem(incident, { wrongIncompleteOrMiscommunicated: "correct, untold" });
  assert.equal((await client.incident(incident)).state, "resumed", "a check is still wanted");
  const { markdown } = await client.postMortemMarkdown(incident);
  assert.match(markdown, /communication, named by token:admin: support was not told/);
  assert.match(markdown, /badly communicated\? \| correct, untold \| token:admin \|/);
  const { audits } = await client.audits({});
  assert.deepEqual(
    audits.filter(({ target }) => target === incident).map(({ action }) => action),
    ["incident.answer", "incident.gap"],
  );
  await assert.rejects(
    client.nameGap(incident, "luck" as "review", "x"),
    refused("bad_input", /shadow-window/),
  );
  await assert.rejects(
    client.answerPostMortem(incident, {}),
    refused("bad_input", /answer one at least: whyNotCaughtLive/),
  );
  await assert.rejects(
    client.nameGap("inc_none", "review", "x"),
    refused("not_found", /has no post-mortem yet/),
  );
  await client.closeIncident(
    incident,
    "the fault was seen by a person, and nothing of it was recorded",
  );
  const closed = await client.incident(incident);
  assert.equal(closed.state, "closed");
  assert.ok(closed.timeline.some(({ event }) => event === "check.waived"));
});
