import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client, FaultCode, IncidentDossier, MessageDelivery, Recovery } from "@lastgood/sdk";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { startBrokenPage } from "./broken-page.ts";

interface Notice {
  readonly type: string;
  readonly text: string;
  readonly details: IncidentDossier;
}

const refused = (code: FaultCode, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Error);
  assert.equal((error as { code?: string }).code, code, error.message);
  assert.match(error.message, says);
  return true;
};

/** The next message of the agent's inboxes, acknowledged. */
async function next(client: Client, agent: string): Promise<Notice> {
  const { messages } = await client.fetchInbox(agent, { waitMs: 30_000 });
  const [message] = messages as readonly (MessageDelivery & { payload: Notice })[];
  assert.ok(message, `nothing came for ${agent}`);
  await client.ackMessage(message.token);
  return message.payload;
}

async function verified(client: Client, id: string): Promise<Recovery> {
  return await until(
    `${id} to be verified`,
    async () => {
      const recovery = await client.recovery(id);
      assert.ok(!["failed", "refused"].includes(recovery.state), recovery.because);
      return recovery.state === "verified" ? recovery : null;
    },
    150_000,
  );
}

test("a responder gets an incident in its inbox, lets its plan run, and is named for it", async () => {
  await using world = await startBrokenPage();
  const { client, clientAs } = world.server;
  const responder = await clientAs("agent", "responder");
  const incident = await world.breakIt();
  const id = incident.recovery ?? "";
  assert.equal(await world.status(), 500);

  const opened = await next(responder, "responder");
  assert.equal(opened.type, "incident.opened");
  assert.equal(opened.details.incident, incident.id);
  assert.equal(opened.details.service, "content-api");
  assert.equal(opened.details.severity, "high");
  const { type, details } = await next(responder, "responder");
  assert.equal(type, "incident.decided");
  assert.equal(details.suspects[0]?.agent, "backend");
  assert.equal(details.recovery?.id, id);
  assert.deepEqual(details.may, [
    { agent: "responder", act: "approve", because: [] },
    { agent: "timid", act: null, because: ["its mode is propose"] },
  ]);

  const { digest } = await responder.recovery(id);
  const [backend, timid] = [await clientAs("agent", "backend"), await clientAs("agent", "timid")];
  for (const each of [backend, await clientAs("agent", "marketing")]) {
    await assert.rejects(each.approveRecovery(id, digest), refused("not_yours", /no responder/));
    await assert.rejects(each.runRecovery(id, digest), refused("not_yours", /planned by lastgood/));
  }
  await assert.rejects(
    timid.approveRecovery(id, digest),
    refused("beyond_authority", /mode is propose.*lastgood approve/),
  );
  await client.freeze("a migration");
  await assert.rejects(responder.approveRecovery(id, digest), refused("frozen", /a migration/));
  await client.thaw();
  assert.equal(await world.status(), 500, "who was refused moved nothing");

  const running = await responder.approveRecovery(id, digest);
  assert.equal(running.runBy, "responder");
  assert.deepEqual(running.approvals, ["responder"]);
  await verified(client, id);
  assert.equal(await world.status(), 200);
  assert.deepEqual(await world.document(), { title: "as it was" });

  const { timeline } = await client.incident(incident.id);
  const approved = timeline.filter(({ event }) => event === "recovery.approved");
  assert.deepEqual(
    approved.map(({ actor }) => actor),
    ["responder"],
  );
  const { audits } = await client.audits({ actor: "responder", outcome: "done" });
  assert.deepEqual(
    audits.map(({ action, target }) => [action, target]),
    [["recovery.approve", id]],
  );
  const denied = await client.audits({ actor: "timid", outcome: "denied" });
  assert.deepEqual(
    denied.audits.map(({ action, target }) => [action, target]),
    [["recovery.approve", id]],
  );
  const rest: string[] = [];
  while (!rest.includes("incident.all-clear")) rest.push((await next(responder, "responder")).type);
  assert.deepEqual(rest, ["incident.contained", "incident.all-clear"]);

  // As after a death between telling and noting it: it is told again, and taken once.
  const { db } = world.server.lastgood;
  await db`delete from fleet_announcements`;
  await until("every word to be told again", async () => {
    const noted = await db`select from fleet_announcements where event like 'responder %'`;
    return noted.length === 4 ? true : null;
  });
  assert.equal((await responder.inbox("responder")).messages.length, 0);
});

test("a responder plans for an incident itself, runs its own plan, and does not approve it", async () => {
  await using world = await startBrokenPage();
  const { client, clientAs } = world.server;
  const responder = await clientAs("agent", "responder");
  const incident = await world.breakIt();

  const marketing = await clientAs("agent", "marketing");
  await assert.rejects(
    marketing.planRecovery({ incident: incident.id }),
    refused("not_yours", /no responder/),
  );
  const planned = await responder.planRecovery({ incident: incident.id });
  assert.equal(planned.plannedBy, "responder");
  assert.equal(planned.incident, incident.id);
  assert.deepEqual(planned.changes, incident.decision?.changes);
  assert.equal(planned.automatic, true);
  assert.ok(
    planned.steps.some(({ layer, says }) => layer === "fleet" && /backend/.test(says)),
    "the hand is held as well",
  );
  const { id, digest } = planned;
  await assert.rejects(
    responder.approveRecovery(id, digest),
    refused("approval_needed", /its own plan/),
  );
  await client.takeIncident(incident.id, "mine");
  await assert.rejects(
    responder.runRecovery(id, digest),
    refused("frozen", /token:admin took inc_/),
  );
  await client.handBackIncident(incident.id);
  await until(
    "the decision that follows",
    async () => {
      const { state } = await client.incident(incident.id);
      return state === "frozen" ? true : null;
    },
    90_000,
  );

  await responder.runRecovery(id, digest);
  await verified(client, id);
  assert.equal(await world.status(), 200);
  const over = await client.incident(incident.id);
  assert.equal(over.recovery, id, "the incident followed it");
  const acts = over.timeline
    .filter(({ event }) => event.startsWith("recovery."))
    .map(({ event, actor }) => [event, actor]);
  assert.deepEqual(acts, [
    ["recovery.planned", "responder"],
    ["recovery.started", "responder"],
  ]);
});

test("what a person changed, and what a cap forbids, no agent takes back by itself", async () => {
  const authority = { layers: ["state"], mode: "auto" };
  await using server = await startServer({
    agents: { responder: { roles: ["responder"], authority }, backend: { authority } },
    caps: { recoveriesPerDay: 1 },
  });
  const { client } = server;
  const responder = await server.clientAs("agent", "responder");
  const backend = await server.clientAs("agent", "backend");
  await client.putDocument("pages", "front", { body: 1 });
  const { change: persons } = await client.putDocument("pages", "front", { body: 2 });
  const one = await responder.planRecovery({ changes: [persons] });
  await assert.rejects(
    responder.runRecovery(one.id, one.digest),
    refused("beyond_authority", /token:admin decided it/),
  );

  await backend.putDocument("pages", "blog", { body: 1 });
  const { change: own } = await backend.putDocument("pages", "blog", { body: 2 });
  const two = await backend.planRecovery({ changes: [own] });
  await backend.runRecovery(two.id, two.digest);
  await verified(client, two.id);
  assert.equal((await client.getDocument("pages", "blog")).body, 1, "an agent undoes its own");

  const { change: again } = await backend.putDocument("pages", "blog", { body: 3 });
  const three = await responder.planRecovery({ changes: [again] });
  await assert.rejects(
    responder.runRecovery(three.id, three.digest),
    refused("cap_reached", /the cap is 1/),
  );
  await client.approveRecovery(three.id, three.digest);
  await verified(client, three.id);
});

test("a plan for an incident names an open one, and what it is to take back", async () => {
  await using server = await startServer({ agents: { responder: { roles: ["responder"] } } });
  const responder = await server.clientAs("agent", "responder");
  await assert.rejects(
    responder.planRecovery({ incident: "inc_nothing" }),
    refused("not_found", /inc_nothing/),
  );
});
