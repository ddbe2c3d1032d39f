/** The SQL of work trees that were saved. */
import type { WorkTreeReport } from "@lastgood/sdk";
import type { Json, Query, Tx } from "../store/database.ts";
import { sessionIsOver } from "../store/living-session.ts";
import type { Keeping } from "./saves.ts";

export interface StoredWorkTree {
  readonly session: string;
  readonly agent: string;
  readonly save: string;
  readonly savedAt: Date;
  readonly report: WorkTreeReport;
}

/** Whose session it is; null where there is none. */
export async function agentOf(db: Query, session: string): Promise<string | null> {
  const [row] = await db<{ agent: string }[]>`select agent from sessions where id = ${session}`;
  return row?.agent ?? null;
}

/** So long after its end what a session left may still be saved. */
const lastWillMsMax = 300_000;

/**
 * The session lives, or has just ended and nobody came after it: whoever wraps an agent tells its death first,
 * and then saves what it left. `fenced` for any other; the answer holds until the transaction ends.
 */
export async function requireMaySave(tx: Tx, session: string, now: Date): Promise<void> {
  const [row] = await tx<{ endedAt: Date | null; reason: string | null; followed: boolean }[]>`
    select ended_at as "endedAt", exit_reason as reason, exists (
      select from sessions as other where other.agent = mine.agent and other.epoch > mine.epoch
    ) as followed
    from sessions as mine where id = ${session} for key share of mine`;
  if (row === undefined) throw sessionIsOver(session);
  const { endedAt, reason, followed } = row;
  if (endedAt === null) return;
  const isRecent = now.getTime() - endedAt.getTime() <= lastWillMsMax;
  if (followed || reason === "fenced" || !isRecent) throw sessionIsOver(session);
}

export async function findWorkTree(db: Query, session: string): Promise<StoredWorkTree | null> {
  const [row] = await db<StoredWorkTree[]>`
    select session, agent, save, saved_at as "savedAt", report from work_trees
    where session = ${session}`;
  return row ?? null;
}

/** In place of the session's save before. */
export async function putWorkTree(tx: Tx, saved: StoredWorkTree): Promise<void> {
  await tx`
    insert into work_trees (session, agent, save, saved_at, report)
    values (${saved.session}, ${saved.agent}, ${saved.save}, ${saved.savedAt},
            ${tx.json(saved.report as unknown as Json)})
    on conflict (session) do update set
      save = excluded.save, saved_at = excluded.saved_at, report = excluded.report`;
}

/** The agent's saves, newest first. */
export async function savesHeld(
  db: Query,
  agent: string,
  limit: number,
): Promise<readonly string[]> {
  const rows = await db<{ save: string }[]>`
    select save from work_trees where agent = ${agent} order by saved_at desc limit ${limit}`;
  return rows.map(({ save }) => save);
}

/** Forgets, of each agent, all but its newest sessions, and what is older than it is kept; never a living one's. */
export async function forgetWorkTrees(
  db: Query,
  now: Date,
  { sessionsMax, daysMax }: Keeping,
): Promise<void> {
  await db`
    delete from work_trees using (
      select session, row_number() over (partition by agent order by saved_at desc) as place
      from work_trees
    ) as ranked
    where work_trees.session = ranked.session
      and (ranked.place > ${sessionsMax}
           or work_trees.saved_at < ${now}::timestamptz - ${daysMax} * interval '1 day')
      and not exists (
        select from sessions where sessions.id = work_trees.session and sessions.ended_at is null)`;
}

/** Every session whose work tree is kept, by its agent. */
export async function sessionsKept(db: Query): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await db<{ agent: string; sessions: string[] }[]>`
    select agent, array_agg(session) as sessions from work_trees group by agent`;
  return new Map(rows.map(({ agent, sessions }) => [agent, sessions]));
}
