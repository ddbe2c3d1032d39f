import type { AgentName, ChangeId, IncidentId } from "../ids.ts";
import type { Query } from "../store/database.ts";
import type { ContainmentRow } from "./containment.ts";

/**
 * Holds the agent's hand and suspends its tokens, in the caller's transaction: for each incident by itself.
 * Safe to repeat.
 */
export async function containAgent(
  db: Query,
  row: { agent: AgentName; at: Date; incident: IncidentId | null; because: string; id: ChangeId },
): Promise<void> {
  await lockHolding(db, row.agent);
  await db`
    insert into containments (agent, since, incident, because, change_id)
    values (${row.agent}, ${row.at}, ${row.incident}, ${row.because}, ${row.id})
    on conflict do nothing`;
  await db`
    update tokens set suspended_because = ${row.because}
    where agent = ${row.agent} and suspended_because is null`;
}

/**
 * Ends what holds the agent for one incident (null: for none), or for all of them. Held by no other, it acts
 * again: its tokens work, its pushes are deployed. Safe to repeat; false where nothing of it was held.
 */
export async function reinstateAgent(
  db: Query,
  agent: AgentName,
  incident: IncidentId | null | "all",
  at: Date,
): Promise<boolean> {
  await lockHolding(db, agent);
  const ended = await db`
    update containments set reinstated_at = ${at} where agent = ${agent} and reinstated_at is null
      ${incident === "all" ? db`` : db`and incident is not distinct from ${incident}`}`;
  await db`
    update tokens set suspended_because = (
      select because from containments
      where agent = ${agent} and reinstated_at is null order by since limit 1)
    where agent = ${agent}`;
  return ended.count > 0;
}

/** Until the transaction is over: what one incident frees, another may hold at the same time. */
async function lockHolding(db: Query, agent: AgentName): Promise<void> {
  await db`select pg_advisory_xact_lock(hashtextextended(${`containment:${agent}`}, 0))`;
}

/** Those in force, of all agents or of one. */
export async function containmentsInForce(
  db: Query,
  agent: AgentName | null = null,
): Promise<readonly ContainmentRow[]> {
  return await db<ContainmentRow[]>`
    select agent, since, incident, because, change_id as "changeId" from containments
    where reinstated_at is null ${agent === null ? db`` : db`and agent = ${agent}`}`;
}

/** Tokens of the agent that work although it is contained, or the reverse. */
export async function tokensOf(
  db: Query,
  agent: AgentName,
): Promise<readonly { id: string; suspended: boolean }[]> {
  return await db<{ id: string; suspended: boolean }[]>`
    select id, suspended_because is not null as suspended from tokens
    where agent = ${agent} and revoked_at is null`;
}
