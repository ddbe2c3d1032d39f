/**
 * What waits for consumers, looked at without taking it: what a handler had in hand, what rests after a
 * failure, and what was never handed out.
 *
 *   The engine is looked at before our books: a message that moves from one to the other meanwhile is in
 *   both, and counts once. What our books say has ended is over, whether the engine knows it yet or not.
 */
import type { BriefMessage, ClaimCheck } from "@lastgood/sdk";
import type { Query } from "../../store/database.ts";
import { type Content, contentsOf, keyOf } from "./contents.ts";
import type { Core } from "./core.ts";
import type { ConsumerRef } from "./engine.ts";
import type { PendingMessage, StoredMessage } from "./message.ts";
import { pendingColumns } from "./pending-store.ts";

export interface WaitingMessages {
  /** Oldest first. */
  readonly messages: readonly BriefMessage[];
  /** How many more there are; of a consumer that filters its stream, as far as 10,000 messages say. */
  readonly more: number;
}

const excerptMax = 500;
const countedMax = 10_000;
/** Enough for a reference to content that lies in state. */
const contentBytesMax = 16_384;

export async function waitingFor(
  core: Core,
  consumers: readonly string[],
  limit: number,
): Promise<WaitingMessages> {
  if (consumers.length === 0) return { messages: [], more: 0 };
  const refs = await refsOf(core.db, consumers);
  const ahead = await Promise.all(
    refs.map(async (ref) => {
      const { messages, total } = await core.engine.ahead(ref, limit, contentBytesMax);
      return { consumer: ref.name, messages, total };
    }),
  );
  const seen = ahead.flatMap(({ consumer, messages }) =>
    messages.map((message) => ({ ...message, consumer })),
  );
  const known = await knownAmong(core.db, seen);
  const { rows, count } = await pendingOf(core.db, consumers, limit);
  for (const row of rows) known.add(keyOf(row));
  const fresh = seen.filter((each) => !known.has(keyOf(each)));
  const contents = await contentsOf(core, rows, contentBytesMax);
  const all = [
    ...rows.map((row) => describePending(row, contents.get(keyOf(row)))),
    ...fresh.map(describeFresh),
  ].sort(byAge);
  const messages = all.slice(0, limit);
  const total = ahead.reduce((sum, each) => sum + each.total, count);
  return { messages, more: Math.max(all.length, total) - messages.length };
}

/** The inboxes of an agent and of its roles that there are, with who holds them back. */
export async function inboxesBelongingTo(
  db: Query,
  agent: string,
  roles: readonly string[],
): Promise<readonly Inbox[]> {
  return await db<Inbox[]>`
    select c.name, coalesce(
      (select array_agg(h.held_by || ': ' || h.because order by h.at, h.hold)
       from message_holds h where h.consumer = c.name), '{}') as holds
    from message_consumers c where c.agent = ${agent} or c.role = any(${[...roles]})
    order by c.agent is null, c.name`;
}

export interface Inbox {
  readonly name: string;
  /** Who holds it, and why. */
  readonly holds: readonly string[];
}

async function refsOf(db: Query, consumers: readonly string[]): Promise<readonly ConsumerRef[]> {
  return await db<ConsumerRef[]>`
    select name, stream, subjects from message_consumers where name = any(${[...consumers]})
    order by name`;
}

type Pending = PendingMessage & { readonly now: BriefMessage["state"] };

async function pendingOf(db: Query, consumers: readonly string[], limit: number) {
  const [rows, [counted]] = await Promise.all([
    db<Pending[]>`
      select ${pendingColumns(db)}, case
        when state = 'out' and deadline > now() then 'out'
        when state = 'resting' and due_at > now() then 'resting'
        else 'waiting' end as now
      from message_pending p where consumer = any(${[...consumers]})
      order by published_at, consumer, stream, seq limit ${limit}`,
    db<{ count: number }[]>`
      select count(*) from (
        select from message_pending where consumer = any(${[...consumers]})
        limit ${countedMax}) p`,
  ]);
  return { rows, count: counted?.count ?? 0 };
}

/** What our books have, or had and ended. */
async function knownAmong(
  db: Query,
  seen: readonly (StoredMessage & { readonly consumer: string })[],
): Promise<Set<string>> {
  if (seen.length === 0) return new Set();
  // One row at a time: as one condition, the whole of what was ever handled would be read for it.
  const rows = await db<{ consumer: string; stream: string; seq: number }[]>`
    select s.consumer, s.stream, s.seq from unnest(
      ${seen.map((each) => each.consumer)}::text[], ${seen.map((each) => each.stream)}::text[],
      ${seen.map((each) => each.seq)}::bigint[], ${seen.map((each) => each.id)}::text[])
      as s (consumer, stream, seq, message_id)
    cross join lateral (
      (select from message_pending p where p.consumer = s.consumer
        and p.stream = s.stream and p.seq = s.seq and p.message_id = s.message_id limit 1)
      union all
      (select from message_handled h where h.consumer = s.consumer
        and h.stream = s.stream and h.seq = s.seq and h.message_id = s.message_id limit 1)
      union all
      (select from dead_letters d where d.consumer = s.consumer
        and d.stream = s.stream and d.seq = s.seq and d.message_id = s.message_id limit 1)) known`;
  return new Set(rows.map(keyOf));
}

function describePending(row: Pending, content: Content | undefined): BriefMessage {
  return {
    id: row.messageId,
    ...{ consumer: row.consumer, stream: row.stream, seq: row.seq },
    subject: content?.subject ?? "",
    sender: content?.sender ?? null,
    publishedAt: row.publishedAt.toISOString(),
    ...{ deliveries: row.deliveries, state: row.now, lastError: row.lastError },
    excerpt: content === undefined ? "(its stream no longer holds it)" : excerptOf(content.payload),
  };
}

function describeFresh(message: StoredMessage & { readonly consumer: string }): BriefMessage {
  const { id, consumer, stream, seq, subject, sender, at, payload } = message;
  return {
    ...{ id, consumer, stream, seq, subject, sender, publishedAt: at.toISOString() },
    ...{ deliveries: 0, state: "waiting", lastError: null, excerpt: excerptOf(payload) },
  };
}

function byAge(one: BriefMessage, other: BriefMessage): number {
  return (
    compare(one.publishedAt, other.publishedAt) ||
    compare(one.consumer, other.consumer) ||
    compare(one.stream, other.stream) ||
    one.seq - other.seq
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Content that lies in state is named, not fetched. */
export function excerptOf(payload: Buffer): string {
  let text: string;
  try {
    // As a part of a stream: what is cut off may have ended within a character.
    const some = payload.subarray(0, contentBytesMax);
    text = new TextDecoder("utf-8", { fatal: true }).decode(some, { stream: true });
  } catch {
    return "(no text)";
  }
  const check = claimCheckIn(text);
  if (check === null) return text.slice(0, excerptMax);
  const parts = `${check.parts.length} ${check.parts.length === 1 ? "part" : "parts"}`;
  const named = `(${check.bytes} bytes in ${check.collection}, ${parts}, from ${check.parts[0]})`;
  return named.slice(0, excerptMax);
}

function claimCheckIn(text: string): ClaimCheck | null {
  if (!text.startsWith('{"claimCheck":')) return null;
  try {
    const { claimCheck } = JSON.parse(text) as { claimCheck?: Partial<ClaimCheck> };
    return Array.isArray(claimCheck?.parts) ? (claimCheck as ClaimCheck) : null;
  } catch {
    return null;
  }
}
