import type { Json, Query } from "../store/database.ts";
import type { Settlement } from "./delivery.ts";
import type { Channel, DeliveryKind, Page } from "./page.ts";

export interface NewDelivery {
  readonly id: string;
  readonly key: string;
  readonly incident: string;
  readonly kind: DeliveryKind;
  readonly person: string;
  readonly channel: Channel;
  readonly body: string;
}

export interface Delivery extends NewDelivery {
  readonly state: "waiting" | "delivered" | "undeliverable";
  readonly attempts: number;
  readonly because: string;
  readonly createdAt: Date;
  readonly settledAt: Date | null;
}

/** A delivery that is ours to make until the claim runs out. */
export interface Claimed extends NewDelivery {
  readonly attempts: number;
  readonly claim: number;
}

/** True when this call opened it; false when the incident has its page already. */
export async function openPage(db: Query, page: Page): Promise<boolean> {
  const rows = await db`
    insert into pages (incident, severity, summary, details, owner, person, state, opened_at)
    values (${page.incident}, ${page.severity}, ${page.summary}, ${db.json(page.details as Json)},
            ${page.owner}, ${page.person}, ${page.state}, ${page.openedAt})
    on conflict (incident) do nothing
    returning 1`;
  return rows.length > 0;
}

/** The pages that fit, newest first. */
export async function findPages(
  db: Query,
  filter: { readonly incident?: string; readonly state?: Page["state"]; readonly limit: number },
): Promise<readonly Page[]> {
  return await db<Page[]>`
    select incident, severity, summary, details, owner, person, state, opened_at as "openedAt",
           acknowledged_at as "acknowledgedAt", acknowledged_by as "acknowledgedBy",
           resolved_at as "resolvedAt"
    from pages
    where true
      ${filter.incident === undefined ? db`` : db`and incident = ${filter.incident}`}
      ${filter.state === undefined ? db`` : db`and state = ${filter.state}`}
    order by opened_at desc, incident desc limit ${filter.limit}`;
}

/** True when this call acknowledged it: it was open. */
export async function markAcknowledged(
  db: Query,
  incident: string,
  by: string,
  at: Date,
): Promise<boolean> {
  const rows = await db`
    update pages set state = 'acknowledged', acknowledged_at = ${at}, acknowledged_by = ${by}
    where incident = ${incident} and state in ('called', 'nobody-to-call')
    returning 1`;
  return rows.length > 0;
}

/** True when this call resolved it. */
export async function markResolved(db: Query, incident: string, at: Date): Promise<boolean> {
  const rows = await db`
    update pages set state = 'resolved', resolved_at = ${at}
    where incident = ${incident} and state <> 'resolved'
    returning 1`;
  return rows.length > 0;
}

/** The page is now this person's. */
export async function callPerson(db: Query, incident: string, person: string): Promise<void> {
  await db`
    update pages set person = ${person},
      state = case state when 'nobody-to-call' then 'called' else state end
    where incident = ${incident}`;
}

/** Into the outbox. What is there under the same key already stays as it is. */
export async function enqueue(db: Query, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  const rows = deliveries.map((each) => ({
    ...each,
    lane: `${each.incident} ${each.person} ${each.channel}`,
  }));
  await db`insert into deliveries ${db(rows)} on conflict (key) do nothing`;
}

/** Claims what is due, the oldest first, and of each lane only its first. */
export async function claimDue(
  db: Query,
  limit: number,
  claimMs: number,
): Promise<readonly Claimed[]> {
  return await db<Claimed[]>`
    update deliveries d set
      claimed_until = now() + ${claimMs} * interval '1 ms', claim = d.claim + 1,
      attempts = d.attempts + 1
    where d.id in (
      select w.id from deliveries w
      where w.state = 'waiting' and w.due_at <= now()
        and (w.claimed_until is null or w.claimed_until <= now())
        and not exists (
          select from deliveries e
          where e.lane = w.lane and e.state = 'waiting' and e.position < w.position)
      order by w.position limit ${limit} for update skip locked)
    returning d.id, d.key, d.incident, d.kind, d.person, d.channel, d.body, d.attempts, d.claim`;
}

/** Records how an attempt ended. False when the claim had gone to another by then. */
export async function recordSettlement(
  db: Query,
  { id, claim }: Claimed,
  settlement: Settlement,
): Promise<boolean> {
  const ours = db`id = ${id} and claim = ${claim} and state = 'waiting'`;
  const rows =
    settlement.kind === "retry"
      ? await db`
          update deliveries set claimed_until = null, because = ${settlement.because},
            due_at = now() + ${settlement.afterMs} * interval '1 ms'
          where ${ours} returning 1`
      : await db`
          update deliveries set state = ${settlement.kind}, settled_at = now(), claimed_until = null,
            because = ${settlement.kind === "undeliverable" ? settlement.because : ""}
          where ${ours} returning 1`;
  return rows.length > 0;
}

/** Oldest first. */
export async function findDeliveries(
  db: Query,
  filter: {
    readonly incidents?: readonly string[];
    readonly state?: Delivery["state"];
    readonly limit: number;
  },
): Promise<readonly Delivery[]> {
  return await db<Delivery[]>`
    select id, key, incident, kind, person, channel, body, state, attempts, because,
           created_at as "createdAt", settled_at as "settledAt"
    from deliveries
    where true
      ${filter.incidents === undefined ? db`` : db`and incident = any(${[...filter.incidents]})`}
      ${filter.state === undefined ? db`` : db`and state = ${filter.state}`}
    order by position limit ${filter.limit}`;
}

/** What could not be delivered for this incident is tried again from the beginning. Returns how many. */
export async function retryUndeliverable(db: Query, incident: string): Promise<number> {
  const rows = await db`
    update deliveries set state = 'waiting', attempts = 0, due_at = now(), settled_at = null
    where incident = ${incident} and state = 'undeliverable' returning 1`;
  return rows.length;
}

/** Settled deliveries are kept for 90 days. */
export async function forgetOldDeliveries(db: Query): Promise<void> {
  await db`
    delete from deliveries where id in (
      select id from deliveries
      where state <> 'waiting' and settled_at < now() - interval '90 days' limit 1000)`;
}

const secretSetting = (person: string) => `webhook.secret.${person}`;

/** The person's webhook secret: the one that is kept, or `fresh` from now on. */
export async function keepSecret(db: Query, person: string, fresh: string): Promise<string> {
  await db`
    insert into settings (name, value) values (${secretSetting(person)}, ${db.json(fresh)})
    on conflict (name) do nothing`;
  const [row] = await db<{ value: string }[]>`
    select value from settings where name = ${secretSetting(person)}`;
  return row?.value ?? fresh;
}

/** From now on the person's calls are signed with `fresh`. */
export async function replaceSecret(db: Query, person: string, fresh: string): Promise<void> {
  await db`
    insert into settings (name, value) values (${secretSetting(person)}, ${db.json(fresh)})
    on conflict (name) do update set value = excluded.value, updated_at = now()`;
}
