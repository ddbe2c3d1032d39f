/** The SQL of those who resolve releases, and of what they do to the outside world. */
import type { EffectNature } from "@lastgood/sdk";
import type { Query } from "../store/database.ts";
import type { EffectsSeen } from "./policy.ts";

/** Silent for longer, it does not count as living; it stays listed until it is forgotten. */
export const liveMs = 60_000;
export const forgottenMs = 3_600_000;
export const consumersMax = 10_000;

export interface Consumer {
  readonly environment: string;
  readonly who: string;
  readonly id: string;
  readonly artifacts: readonly string[] | null;
  readonly epoch: number;
  readonly seenAt: Date;
}

/** What a consumer said last. */
export interface Heard extends Consumer {
  readonly agent: string | null;
}

/** Later words replace earlier ones; no consumer is named twice among them. */
export async function saveHeard(db: Query, heard: readonly Heard[]): Promise<void> {
  if (heard.length === 0) return;
  // Arrays within an array have to be of one length: the names travel as text.
  await db`
    insert into pin_consumers (environment, who, id, agent, artifacts, epoch, registered_at, seen_at)
    select environment, who, id, agent,
           case when names is null then null
                else array(select jsonb_array_elements_text(names::jsonb)) end,
           epoch, at::timestamptz, at::timestamptz
    from unnest(${heard.map((each) => each.environment)}::text[],
                ${heard.map((each) => each.who)}::text[],
                ${heard.map((each) => each.id)}::text[],
                ${heard.map((each) => each.agent)}::text[],
                ${heard.map(({ artifacts }) => artifacts && JSON.stringify(artifacts))}::text[],
                ${heard.map((each) => each.epoch)}::bigint[],
                ${heard.map((each) => each.seenAt.toISOString())}::text[])
      as h (environment, who, id, agent, names, epoch, at)
    order by environment, who, id
    on conflict (environment, who, id) do update
    set agent = excluded.agent, artifacts = excluded.artifacts, epoch = excluded.epoch,
        seen_at = excluded.seen_at`;
}

export async function countConsumers(db: Query, environment: string): Promise<number> {
  const [row] = await db<{ n: number }[]>`
    select count(*) as n from pin_consumers where environment = ${environment}`;
  return row?.n ?? 0;
}

export async function forgetConsumer(
  db: Query,
  { environment, who, id }: Pick<Consumer, "environment" | "who" | "id">,
): Promise<void> {
  await db`
    delete from pin_consumers
    where environment = ${environment} and who = ${who} and id = ${id}`;
}

export async function forgetSilent(db: Query, before: Date): Promise<number> {
  const rows = await db`delete from pin_consumers where seen_at < ${before} returning 1`;
  return rows.length;
}

/** Longest silent first. */
export async function listConsumers(
  db: Query,
  environment: string,
  limit: number,
): Promise<readonly Consumer[]> {
  return await db<Consumer[]>`
    select environment, who, id, artifacts, epoch, seen_at as "seenAt" from pin_consumers
    where environment = ${environment} order by seen_at, who, id limit ${limit}`;
}

/** Those that use the artifact and did not say that they follow its pin; longest silent first. */
export async function stragglersOf(
  db: Query,
  { environment, artifact, epoch }: { environment: string; artifact: string; epoch: number },
  limit: number,
): Promise<readonly Consumer[]> {
  return await db<Consumer[]>`
    select environment, who, id, artifacts, epoch, seen_at as "seenAt" from pin_consumers
    where environment = ${environment} and epoch < ${epoch}
      and (artifacts is null or ${artifact} = any(artifacts))
    order by seen_at, who, id limit ${limit}`;
}

/** How many follow this pin, and how many that use it do not. */
export async function countFollowing(
  db: Query,
  { environment, artifact, epoch }: { environment: string; artifact: string; epoch: number },
): Promise<{ readonly following: number; readonly behind: number }> {
  const [row] = await db<{ following: number; behind: number }[]>`
    select count(*) filter (where epoch >= ${epoch}) as following,
           count(*) filter (where epoch < ${epoch}) as behind
    from pin_consumers
    where environment = ${environment} and (artifacts is null or ${artifact} = any(artifacts))`;
  return row ?? { following: 0, behind: 0 };
}

export interface Followers {
  readonly following: number;
  readonly behind: number;
  /** Of those that are behind; longest silent first. */
  readonly stragglers: readonly Consumer[];
}

/** Who follows this pin and who does not, as of one moment. At most `limit` stragglers. */
export async function followersOf(
  db: Query,
  { environment, artifact, epoch }: { environment: string; artifact: string; epoch: number },
  limit: number,
): Promise<Followers> {
  const rows = await db<(Consumer & { readonly following: number; readonly behind: number })[]>`
    with users as (
      select environment, who, id, artifacts, epoch, seen_at as "seenAt" from pin_consumers
      where environment = ${environment} and (artifacts is null or ${artifact} = any(artifacts))
    ), counts as (
      select count(*) filter (where epoch >= ${epoch}) as following,
             count(*) filter (where epoch < ${epoch}) as behind
      from users
    )
    select counts.*, late.* from counts
    left join lateral (
      select * from users where epoch < ${epoch} order by "seenAt", who, id limit ${limit}
    ) late on true`;
  const [{ following, behind } = { following: 0, behind: 0 }] = rows;
  return {
    ...{ following, behind },
    stragglers: behind === 0 ? [] : rows.map(({ following: _, behind: __, ...each }) => each),
  };
}

export interface Followed {
  readonly artifact: string;
  readonly acknowledged: number;
  readonly stragglers: number;
}

/** By artifact of the environment, whoever uses it. */
export async function followedIn(db: Query, environment: string): Promise<readonly Followed[]> {
  return await db<Followed[]>`
    with pinned as (
      select artifact, max(epoch) as epoch from pins where environment = ${environment}
      group by artifact
    )
    select p.artifact, count(c.id) filter (where c.epoch >= p.epoch) as acknowledged,
           count(c.id) filter (where c.epoch < p.epoch) as stragglers
    from pinned p left join pin_consumers c
      on c.environment = ${environment} and (c.artifacts is null or p.artifact = any(c.artifacts))
    group by p.artifact`;
}

/** Agents that resolve the artifact, in any environment. */
export async function agentsSeenUsing(db: Query, artifact: string): Promise<readonly string[]> {
  const rows = await db<{ agent: string }[]>`
    select distinct agent from pin_consumers
    where agent is not null and (artifacts is null or ${artifact} = any(artifacts))
    order by agent limit 1000`;
  return rows.map(({ agent }) => agent);
}

const latelyDays = 30;

/** How many effects of each nature they had in the last 30 days. */
export async function effectsOf(
  db: Query,
  agents: readonly string[],
  now: Date,
): Promise<EffectsSeen> {
  const since = new Date(now.getTime() - latelyDays * 86_400_000);
  const rows = await db<{ nature: EffectNature; n: number }[]>`
    select nature, count(*) as n from effects
    where agent = any(${[...agents]}) and intended_at > ${since} group by nature`;
  return Object.fromEntries(rows.map(({ nature, n }) => [nature, n]));
}
