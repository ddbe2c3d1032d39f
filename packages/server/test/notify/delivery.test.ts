import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { pino } from "pino";
import { fixedConfiguration } from "../../src/config/load.ts";
import type { IncidentId } from "../../src/ids.ts";
import { readTimeline } from "../../src/ledger/timeline.ts";
import { createNotify, type Notify } from "../../src/notify/create-notify.ts";
import type { Pace } from "../../src/notify/delivery-loop.ts";
import { createPager } from "../../src/notify/notifier.ts";
import type { PageRequest } from "../../src/notify/notify.ts";
import {
  claimDue,
  findDeliveries,
  findPages,
  recordSettlement,
} from "../../src/notify/notify-store.ts";
import { post } from "../../src/notify/post.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { startReceiver } from "./receiver.ts";

const incident = "inc_0000000test" as IncidentId;
const request: PageRequest = {
  incident,
  severity: "critical",
  summary: "content-api takes seconds",
  owner: "ann",
  details: { rule: "content-api.articles" },
};
const environment = { ANN_KEY: "R0UT1NGKEY", BEA_KEY: "OTHERKEY" };
const quick: Pace = { everyMs: 20, postMs: 30_000, backoffMsFirst: 30 };

function notifyOn(store: TestDatabase, config: unknown, pace = quick): Notify & AsyncDisposable {
  const notify = createNotify({
    ...{ db: store.db, world: realWorld, environment, pace },
    log: pino({ level: "silent" }),
    configuration: fixedConfiguration(config),
  });
  return { ...notify, [Symbol.asyncDispose]: notify.stop };
}

const byPagerduty = (url: string) => ({
  people: { ann: { pagerduty: "ANN_KEY" } },
  pages: { owner: "ann", pagerdutyUrl: url },
});
const byWebhook = (url: string, allowPrivate = true) => ({
  people: { ann: { webhook: `${url}/hook?key=1` } },
  pages: { owner: "ann", allowPrivate },
});

async function settled(db: Db, count: number) {
  const settling = async () => {
    const found = await findDeliveries(db, { limit: 100 });
    if (found.length >= count && found.every(({ state }) => state !== "waiting")) return found;
    throw new Error(`not settled: ${JSON.stringify(found)}`);
  };
  return await until(`${count} to be settled`, settling);
}

test("an incident is one page at PagerDuty: triggered, acknowledged and resolved under its own id", async () => {
  await using store = await startDatabase();
  await using pagerduty = await startReceiver();
  await using notify = notifyOn(store, byPagerduty(`${pagerduty.url}/base/`));
  const { notifier } = notify;
  await Promise.all(
    Array.from({ length: 8 }, () => store.db.begin((tx) => notifier.page(tx, request))),
  );
  await pagerduty.until(1);
  await store.db.begin((tx) => notifier.acknowledge(tx, incident, "token:ann", new Date()));
  await store.db.begin((tx) => notifier.acknowledge(tx, incident, "token:bob", new Date()));
  await store.db.begin((tx) => notifier.resolve(tx, incident, "reverted and verified"));
  await store.db.begin((tx) => notifier.resolve(tx, incident, "reverted and verified"));
  await settled(store.db, 3);

  assert.deepEqual(
    pagerduty.received.map(({ path, body }) => [path, body.event_action, body.dedup_key]),
    [
      ["/base/v2/enqueue", "trigger", incident],
      ["/base/v2/enqueue", "acknowledge", incident],
      ["/base/v2/enqueue", "resolve", incident],
    ],
  );
  const [trigger] = pagerduty.received;
  assert.equal(trigger?.body.routing_key, "R0UT1NGKEY");
  assert.match(trigger?.text ?? "", /"severity":"critical"/);
  const [page] = await findPages(store.db, { limit: 10 });
  assert.equal(page?.state, "resolved");
  assert.equal(page?.acknowledgedBy, "token:ann");
  const rows = await store.db<{ body: string }[]>`select body from deliveries`;
  assert.ok(
    rows.every(({ body }) => !body.includes("R0UT1NGKEY")),
    "the key is not stored",
  );
  assert.deepEqual(
    (await readTimeline(store.db, incident)).map(({ event }) => event),
    ["person.called", "page.acknowledged"],
  );
});

test("a caller whose transaction fails has called nobody", async () => {
  await using store = await startDatabase();
  await using pagerduty = await startReceiver();
  await using notify = notifyOn(store, byPagerduty(pagerduty.url));
  const failing = store.db.begin(async (tx) => {
    await notify.notifier.page(tx, request);
    throw new Error("the caller's own failure");
  });
  await assert.rejects(failing, /own failure/);
  await store.db.begin((tx) =>
    notify.notifier.page(tx, { ...request, incident: "inc_2" as IncidentId }),
  );
  await pagerduty.until(1);
  assert.deepEqual(
    (await settled(store.db, 1)).map((each) => each.incident),
    ["inc_2"],
  );
});

test("a receiver that fails, stalls or breaks off gets the same page again until it takes it", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url), { ...quick, postMs: 2_000 });
  receiver.answer(
    (to) => to.writeHead(500).end("out of order"),
    (to) => to.destroy(),
    () => {},
    (to) => to.writeHead(503).end(),
  );
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  await receiver.until(5);
  const [delivery] = await settled(store.db, 1);
  assert.equal(delivery?.state, "delivered");
  assert.equal(delivery?.attempts, 5);
  const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
  assert.deepEqual(new Set(ids), new Set([delivery?.id]));
  assert.equal(new Set(receiver.received.map(({ text }) => text)).size, 1);
});

test("a receiver that asks for patience by Retry-After is not called before", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url));
  let askedAt = 0;
  receiver.answer((to) => {
    askedAt = performance.now();
    to.writeHead(429, { "retry-after": "1" }).end();
  });
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  await receiver.until(2);
  assert.ok(performance.now() - askedAt >= 990, "one second had passed");
});

test("a redirect is not followed: the page is undeliverable and says what to configure", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using other = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url));
  receiver.answer((to) => to.writeHead(307, { location: `${other.url}/` }).end());
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  const [delivery] = await settled(store.db, 1);
  assert.equal(delivery?.state, "undeliverable");
  assert.match(delivery?.because ?? "", /307.*redirects are not followed/);
  assert.equal(other.received.length, 0);
});

test("an endless answer is read to its limit and taken as the answer that it is", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url));
  receiver.answer((to) => {
    to.writeHead(200);
    const pour = () => {
      while (!to.destroyed && to.write("x".repeat(16_384)));
      if (!to.destroyed) to.once("drain", pour);
    };
    pour();
  });
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  const [delivery] = await settled(store.db, 1);
  assert.equal(delivery?.state, "delivered");
  assert.equal(receiver.received.length, 1);
});

test("webhooks are signed with a secret that only the receiver is given", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url));
  await store.db.begin((tx) => notify.notifier.announce(tx, incident, "opened", "it began"));
  await store.db.begin((tx) => notify.notifier.announce(tx, incident, "opened", "told again"));
  await store.db.begin((tx) =>
    notify.notifier.announce(tx, incident, "all-clear", "2 of 2 normal"),
  );
  await receiver.until(2);
  await settled(store.db, 2);
  assert.deepEqual(
    receiver.received.map(({ body }) => body.type),
    ["incident.opened", "incident.all-clear"],
  );
  const [row] = await store.db<{ value: string }[]>`
    select value from settings where name = 'webhook.secret.ann'`;
  const key = Buffer.from(row?.value.slice("whsec_".length) ?? "", "base64");
  for (const { headers, text } of receiver.received) {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${text}`;
    const expected = createHmac("sha256", key).update(signed).digest("base64");
    assert.equal(headers["webhook-signature"], `v1,${expected}`);
  }
});

test("without pages.allowPrivate nothing is sent to a private address, nor in the clear", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, byWebhook(receiver.url, false));
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  const [delivery] = await settled(store.db, 1);
  assert.equal(delivery?.state, "undeliverable");
  assert.match(delivery?.because ?? "", /private address.*pages\.allowPrivate/);
  assert.equal(receiver.received.length, 0);
});

test("a name that leads to a private address is as private, and one that is allowed is reached by its name", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  const byName = receiver.url.replace("127.0.0.1", "localhost");
  {
    await using notify = notifyOn(store, byWebhook(byName.replace("http:", "https:"), false));
    await store.db.begin((tx) => notify.notifier.page(tx, request));
    const [delivery] = await settled(store.db, 1);
    assert.match(delivery?.because ?? "", /^localhost is at a private address/);
  }
  await using notify = notifyOn(store, byWebhook(byName));
  await store.db.begin((tx) => notify.notifier.announce(tx, incident, "opened", "it began"));
  await receiver.until(1);
  assert.match(receiver.received[0]?.headers.host ?? "", /^localhost:/);
});

test("with nobody configured the page is kept as nobody-to-call, and calls whoever is configured later", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  {
    await using notify = notifyOn(store, {});
    await store.db.begin((tx) => notify.notifier.page(tx, { ...request, owner: null }));
    const [page] = await findPages(store.db, { limit: 10 });
    assert.equal(page?.state, "nobody-to-call");
  }
  await using _later = notifyOn(store, byPagerduty(receiver.url));
  await receiver.until(1);
  await settled(store.db, 1);
  const [page] = await findPages(store.db, { limit: 10 });
  assert.deepEqual([page?.state, page?.person], ["called", "ann"]);
});

test("when the owner cannot be reached, the next person is called about the same incident", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  await using notify = notifyOn(store, {
    people: { ann: { pagerduty: "NOT_SET" }, bea: { pagerduty: "BEA_KEY" } },
    pages: { owner: "ann", pagerdutyUrl: receiver.url },
  });
  await store.db.begin((tx) => notify.notifier.page(tx, request));
  await receiver.until(1);
  const [first, second] = await settled(store.db, 2);
  assert.match(first?.because ?? "", /NOT_SET is not set/);
  assert.deepEqual([second?.person, second?.state], ["bea", "delivered"]);
  assert.equal(receiver.received[0]?.body.routing_key, "OTHERKEY");
  await store.db.begin((tx) => notify.notifier.resolve(tx, incident, "over"));
  await receiver.until(2);
  assert.equal(receiver.received[1]?.body.routing_key, "OTHERKEY");
});

test("killed between sending and recording, a page is sent again as the same page, and the late server is fenced", async () => {
  await using store = await startDatabase();
  await using receiver = await startReceiver();
  const pager = createPager(fixedConfiguration(byPagerduty(receiver.url)), realWorld);
  await store.db.begin((tx) => pager.page(tx, request));
  const claimMs = 60_000;
  const [killed] = await claimDue(store.db, 10, claimMs);
  assert.ok(killed !== undefined);
  const url = new URL(`${receiver.url}/v2/enqueue`);
  const sent = { url, headers: {}, body: killed.body, reach: "private" } as const;
  assert.equal((await post(sent, new AbortController().signal)).kind, "answered");
  assert.equal((await claimDue(store.db, 10, claimMs)).length, 0, "it is claimed");

  // Only so that this test need not wait for the claim to run out by itself.
  await store.db`update deliveries set claimed_until = now()`;
  await using _second = notifyOn(store, byPagerduty(receiver.url));
  await receiver.until(2);
  const [delivery] = await settled(store.db, 1);
  assert.equal(delivery?.attempts, 2);
  assert.deepEqual(
    receiver.received.map(({ body }) => [body.event_action, body.dedup_key]),
    [
      ["trigger", incident],
      ["trigger", incident],
    ],
  );
  assert.equal(await recordSettlement(store.db, killed, { kind: "delivered" }), false);
});

test("several servers on one outbox send everything once, and never a resolution before its call", async () => {
  await using store = await startDatabase({ max: 30 });
  await using receiver = await startReceiver();
  await using one = notifyOn(store, byWebhook(receiver.url));
  await using _two = notifyOn(store, byWebhook(receiver.url));
  await using _three = notifyOn(store, byWebhook(receiver.url));
  receiver.answer(
    (to) => to.writeHead(500).end(),
    (to) => to.writeHead(500).end(),
  );
  const incidents = Array.from({ length: 20 }, (_, index) => `inc_${index}` as IncidentId);
  for (const each of incidents) {
    await store.db.begin(async (tx) => {
      await one.notifier.page(tx, { ...request, incident: each });
      await one.notifier.resolve(tx, each, "over");
    });
  }
  await receiver.until(2 * incidents.length + 2);
  await settled(store.db, 2 * incidents.length);
  const byId = new Map(receiver.received.map((each) => [each.headers["webhook-id"], each]));
  assert.equal(byId.size, 2 * incidents.length);
  assert.equal(receiver.received.length, 2 * incidents.length + 2);
  for (const each of incidents) {
    const types = receiver.received
      .filter(({ body }) => (body.data as { incident: string }).incident === each)
      .map(({ body }) => body.type);
    assert.equal(types.at(-1), "page.resolved");
    assert.equal(types.filter((type) => type === "page.resolved").length <= 2, true);
    assert.equal(types[0], "page.triggered");
  }
});
