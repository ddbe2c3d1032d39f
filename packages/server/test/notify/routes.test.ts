import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { fixedConfiguration } from "../../src/config/load.ts";
import type { IncidentId } from "../../src/ids.ts";
import { createPager } from "../../src/notify/notifier.ts";
import { realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const incident = "inc_0000000test" as IncidentId;

async function startPaged(receiver: Receiver) {
  const config = {
    people: { ann: { webhook: `${receiver.url}/hook` }, bob: {} },
    pages: { owner: "ann", allowPrivate: true, pagerdutySecret: "LASTGOOD_TEST_PAGERDUTY_SECRET" },
  };
  const server = await startServer(config);
  const pager = createPager(fixedConfiguration(config), realWorld);
  await server.lastgood.db.begin((tx) =>
    pager.page(tx, { incident, severity: "high", summary: "slow", owner: null, details: {} }),
  );
  await receiver.until(1);
  return server;
}

test("a page is listed with its deliveries, and acknowledged by an operator alone", async () => {
  await using receiver = await startReceiver();
  await using server = await startPaged(receiver);
  const viewer = await server.clientAs("viewer");
  const operator = await server.clientAs("operator");
  const { pages } = await viewer.pages({ state: "called" });
  assert.deepEqual(
    pages.map((page) => [page.incident, page.person, page.deliveries.length]),
    [[incident, "ann", 1]],
  );
  for (const denied of [viewer, await server.clientAs("agent", "backend")]) {
    await assert.rejects(denied.acknowledgePage(incident), { code: "forbidden" });
  }
  const acknowledged = await operator.acknowledgePage(incident);
  assert.equal(acknowledged.state, "acknowledged");
  assert.equal(acknowledged.acknowledgedBy, "token:operator");
  const received = await receiver.until(2);
  assert.equal(received[1]?.body.type, "page.acknowledged");
  await assert.rejects(operator.acknowledgePage("inc_none"), { code: "not_found" });
  await server.lastgood.db`update pages set state = 'resolved', resolved_at = now()`;
  await assert.rejects(operator.acknowledgePage(incident), { code: "state_forbids" });
});

test("what was undeliverable is tried again on request", async () => {
  await using receiver = await startReceiver();
  await using server = await startPaged(receiver);
  receiver.answer((to) => to.writeHead(404).end("no such hook"));
  await server.client.acknowledgePage(incident);
  await receiver.until(2);
  await until("it to be given up", async () => {
    const { deliveries } = await server.client.pageDeliveries({ state: "undeliverable" });
    return deliveries.length > 0;
  });
  assert.deepEqual(await server.client.retryPage(incident), { retried: 1 });
  const received = await receiver.until(3);
  assert.equal(received[2]?.headers["webhook-id"], received[1]?.headers["webhook-id"]);
});

test("PagerDuty's own acknowledgement counts when it is signed, once, and changes nothing otherwise", async () => {
  await using receiver = await startReceiver();
  await using server = await startPaged(receiver);
  const secret = "s3cret";
  const event = (type: string, key: string) =>
    JSON.stringify({
      event: {
        ...{ id: "01", event_type: type, resource_type: "incident", occurred_at: "2026-09-21" },
        agent: { summary: "Ann Example", type: "user_reference" },
        data: { id: "PGR0VU2", type: "incident", incident_key: key },
      },
    });
  const sign = (body: string) => createHmac("sha256", secret).update(body).digest("hex");
  const send = async (body: string, signature: string) =>
    (
      await fetch(`${server.lastgood.url}/v1/hooks/pagerduty`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-pagerduty-signature": signature },
        body,
      })
    ).status;
  const acknowledged = event("incident.acknowledged", incident);
  assert.equal(await send(acknowledged, `v1=${sign(acknowledged)}`), 401, "no secret is set");
  process.env.LASTGOOD_TEST_PAGERDUTY_SECRET = secret;
  try {
    assert.equal(await send(acknowledged, `v1=${sign(`${acknowledged} `)}`), 401);
    assert.equal(await send(acknowledged, ""), 401);
    assert.equal((await server.client.page(incident)).state, "called");
    const other = event("incident.triggered", incident);
    assert.equal(await send(other, `v1=${sign(other)}`), 202);
    const foreign = event("incident.acknowledged", "somebody else's");
    assert.equal(await send(foreign, `v1=${sign(foreign)}`), 202);
    assert.equal((await server.client.page(incident)).state, "called");
    assert.equal(await send("{}", `v1=${sign("{}")}`), 400);
    const both = `v1=${"0".repeat(64)},v1=${sign(acknowledged)}`;
    assert.equal(await send(acknowledged, both), 202);
    const page = await server.client.page(incident);
    assert.deepEqual([page.state, page.acknowledgedBy], ["acknowledged", "pagerduty:Ann Example"]);
    const before = page.acknowledgedAt;
    assert.equal(await send(acknowledged, both), 202);
    assert.equal((await server.client.page(incident)).acknowledgedAt, before);
    const huge = "x".repeat(70_000);
    assert.equal(await send(huge, `v1=${sign(huge)}`), 413);
  } finally {
    delete process.env.LASTGOOD_TEST_PAGERDUTY_SECRET;
  }
});

test("a rehearsal calls and takes back, and is no page of an incident", async () => {
  await using receiver = await startReceiver();
  await using server = await startPaged(receiver);
  const rehearsal = await server.client.rehearsePage("ann");
  const received = await receiver.until(3);
  assert.deepEqual(
    received.slice(1).map(({ body }) => body.type),
    ["page.triggered", "page.resolved"],
  );
  assert.match(rehearsal.incident, /^rehearsal_/);
  assert.equal((await server.client.pages()).pages.length, 1);
  await assert.rejects(server.client.rehearsePage("bob"), {
    code: "not_found",
    message: /people\.bob\.pagerduty/,
  });
  await assert.rejects(server.client.rehearsePage("carl"), { code: "not_found" });
});

test("a webhook's secret is an admin's to see, and is replaced on request", async () => {
  await using receiver = await startReceiver();
  await using server = await startPaged(receiver);
  const { secret } = await server.client.webhookSecret("ann");
  assert.match(secret, /^whsec_/);
  assert.deepEqual(await server.client.webhookSecret("ann"), { secret });
  const replaced = await server.client.replaceWebhookSecret("ann");
  assert.notEqual(replaced.secret, secret);
  assert.deepEqual(await server.client.webhookSecret("ann"), replaced);
  const operator = await server.clientAs("operator");
  await assert.rejects(operator.webhookSecret("ann"), { code: "forbidden" });
  await assert.rejects(server.client.webhookSecret("carl"), { code: "not_found" });
  await server.client.rehearsePage("ann");
  const received = await receiver.until(2);
  const [, second] = received;
  assert.ok(second !== undefined);
  const { headers, text } = second;
  const key = Buffer.from(replaced.secret.slice("whsec_".length), "base64");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${text}`;
  const expected = createHmac("sha256", key).update(signed).digest("base64");
  assert.equal(headers["webhook-signature"], `v1,${expected}`);
});
