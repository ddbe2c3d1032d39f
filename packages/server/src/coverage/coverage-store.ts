import type { Json, Query } from "../store/database.ts";
import { takeLease } from "../store/lease.ts";
import type { World } from "../world.ts";
import type { RecoveryFact, StoreFact } from "./facts.ts";

const serverPrefix = "server:";

/** How long a server that says nothing more still counts as alive. */
export const aliveMs = 30_000;

/** This server is alive. Said every few seconds; servers long gone are forgotten. */
export async function sayAlive(db: Query, server: string): Promise<void> {
  await takeLease(db, serverPrefix + server, server, aliveMs);
  await db`
    delete from leases
    where starts_with(name, ${serverPrefix}) and expires_at < now() - interval '1 day'`;
}

export async function sayGone(db: Query, server: string): Promise<void> {
  await db`delete from leases where name = ${serverPrefix + server}`;
}

/** Servers that share this database and are alive. */
export async function countServers(db: Query): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*) from leases where starts_with(name, ${serverPrefix}) and expires_at > now()`;
  return row?.count ?? 0;
}

/** Tokens in force by agent. */
export async function countTokens(db: Query): Promise<ReadonlyMap<string, number>> {
  const rows = await db<{ agent: string; count: number }[]>`
    select agent, count(*) from tokens
    where agent is not null and revoked_at is null and (expires_at is null or expires_at > now())
    group by agent`;
  return new Map(rows.map(({ agent, count }) => [agent, count]));
}

export async function countDeadLetters(db: Query): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*) from dead_letters where state = 'dead'`;
  return row?.count ?? 0;
}

/** Recoveries that wait for somebody, newest first. Failed ones count for a week. */
export async function stuckRecoveries(db: Query): Promise<readonly RecoveryFact[]> {
  return await db<RecoveryFact[]>`
    select id, state, because from recoveries r
    where state in ('paused', 'awaiting-approval')
       or (state = 'failed' and ended_at > now() - interval '7 days'
           and not exists (select from recoveries later
                           where later.incident = r.incident and later.planned_at > r.planned_at))
    order by planned_at desc limit 20`;
}

const openAfterMs = 7 * 86_400_000;

/** Incidents whose gap is unnamed, or of whose questions one is unanswered, five working days after they were written up. */
export async function openPostMortems(db: Query, now: Date): Promise<readonly string[]> {
  const rows = await db<{ incident: string }[]>`
    select incident from post_mortems p
    where written_at < ${new Date(now.getTime() - openAfterMs)} and (
      content #>> '{gap,is}' = 'unnamed'
        and not exists (select from incident_events e
                        where e.incident = p.incident and e.event in ('gap.named', 'check.waived'))
      or exists (select from jsonb_each_text(content -> 'questions') q
                 where q.value = 'unanswered'
                   and not exists (select from incident_events e
                                   where e.incident = p.incident and e.event = 'question.answered'
                                     and e.details ->> 'question' = q.key)))
    order by written_at limit 100`;
  return rows.map(({ incident }) => incident);
}

/** When `lastgood backup` last ended well; null: never. */
export async function backedUpAt(db: Query): Promise<Date | null> {
  const value = await readSetting(db, "backup.last");
  return dateIn(value);
}

/** How the last drill went, as drills leave it; null: there was none. */
export async function drilledAt(
  db: Query,
): Promise<{ at: Date; drill: string; ok: boolean } | null> {
  const value = await readSetting(db, "drill.last");
  const at = dateIn(value);
  if (at === null) return null;
  return { at, drill: String(value?.drill ?? "september"), ok: value?.ok !== false };
}

/** A backup ended well. */
export async function recordBackup(db: Query, at: Date): Promise<void> {
  await writeSetting(db, "backup.last", { at: at.toISOString() });
}

/** A drill ended, well or not. */
export async function recordDrill(
  db: Query,
  { at, drill, ok }: { readonly at: Date; readonly drill: string; readonly ok: boolean },
): Promise<void> {
  await writeSetting(db, "drill.last", { at: at.toISOString(), drill, ok });
}

async function writeSetting(db: Query, name: string, value: Json): Promise<void> {
  await db`
    insert into settings (name, value) values (${name}, ${db.json(value)})
    on conflict (name) do update set value = excluded.value, updated_at = now()`;
}

async function readSetting(db: Query, name: string): Promise<Record<string, unknown> | null> {
  const [row] = await db<{ value: unknown }[]>`select value from settings where name = ${name}`;
  const value = row?.value ?? null;
  if (typeof value === "string") return { at: value };
  return typeof value === "object" ? (value as Record<string, unknown> | null) : null;
}

function dateIn(value: Record<string, unknown> | null): Date | null {
  const at = new Date(String(value?.at ?? ""));
  return Number.isNaN(at.getTime()) ? null : at;
}

/** What PostgreSQL says of itself. Half of the question's time counts as the way there. */
export async function readStore(db: Query, world: World): Promise<Omit<StoreFact, "embedded">> {
  await db`select 1`;
  const asked = world.now().getTime();
  const [clock] = await db<{ at: Date; version: string }[]>`
    select clock_timestamp() as at, current_setting('server_version') as version`;
  const heard = world.now().getTime();
  const rows = await db<{ name: string; setting: string }[]>`
    select name, setting from pg_settings
    where name in ('fsync', 'full_page_writes', 'synchronous_commit')`;
  return {
    version: clock?.version ?? "",
    settings: Object.fromEntries(rows.map(({ name, setting }) => [name, setting])),
    clockAheadMs: (clock?.at.getTime() ?? asked) - (asked + heard) / 2,
  };
}
