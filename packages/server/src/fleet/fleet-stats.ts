/** What restarts cost, as distributions: for `lastgood stats` and `/metrics`. */
import type { Distribution, ExitReason, FleetStats } from "@lastgood/sdk";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Db, Query } from "../store/database.ts";
import type { Session } from "./session.ts";
import { isDeath } from "./session.ts";

/** Counts of work that another room saw done twice, or kept from being done twice. */
export interface Duplicates {
  readonly messages: number;
  readonly effects: number;
}

/** Count, minimum, median, 95th percentile, maximum and sum; null where nothing was counted. */
type Ranks = readonly (number | null)[];

interface Row {
  sessions: number;
  restarts: number;
  ended: Partial<Record<ExitReason, number>>;
  detection: Ranks;
  briefed: Ranks;
  recovery: Ranks;
  recoveryTokens: Ranks;
  tokens: number;
}

/** Of sessions that began since then; of one agent, if named. */
export async function readFleetStats(
  db: Query,
  since: Date,
  agent: string | undefined,
  duplicates: { readonly prevented: Duplicates },
): Promise<FleetStats> {
  const [row] = await db<Row[]>`
    with chosen as (
      select s.*, p.exit_reason as died, p.detected_at as died_at
      from sessions s left join sessions p on p.id = s.previous
      where s.started_at >= ${since} ${agent === undefined ? db`` : db`and s.agent = ${agent}`}
    ), after_death as (
      select * from chosen where died in ('crashed', 'hung', 'evicted')
    )
    select
      (select count(*) from chosen) as sessions,
      (select count(*) from after_death) as restarts,
      (select coalesce(jsonb_object_agg(exit_reason, n), '{}') from (
        select exit_reason, count(*) as n from chosen where exit_reason is not null group by 1) as e
      ) as ended,
      ${ranks(db, db`extract(epoch from detected_at - heard_at) * 1000`, db`chosen where exit_reason in ('crashed', 'hung')`)} as detection,
      ${ranks(db, db`extract(epoch from briefed_at - greatest(died_at, started_at)) * 1000`, db`after_death where briefed_at is not null`)} as briefed,
      ${ranks(db, db`extract(epoch from resumed_at - died_at) * 1000`, db`after_death where resumed_at is not null`)} as recovery,
      ${ranks(db, db`recovery_tokens`, db`after_death`)} as "recoveryTokens",
      (select coalesce(sum(token_usage), 0) from chosen)::float8 as tokens`;
  const { sessions = 0, restarts = 0, ended = {}, tokens = 0 } = row ?? {};
  const spent = row?.recoveryTokens ?? [];
  return {
    since: since.toISOString(),
    ...{ sessions, restarts, ended },
    detectionMs: distribution(row?.detection),
    briefedMs: distribution(row?.briefed),
    recoveryMs: distribution(row?.recovery),
    duplicatesPrevented: duplicates.prevented,
    tokensOnRecovery: distribution(spent),
    recoveryShare: tokens === 0 ? null : (spent[5] ?? 0) / tokens,
  };
}

function ranks(db: Query, value: ReturnType<Db>, from: ReturnType<Db>) {
  return db`(
    select jsonb_build_array(count(v), min(v), percentile_cont(0.5) within group (order by v),
                             percentile_cont(0.95) within group (order by v), max(v), sum(v))
    from (select (${value})::float8 as v from ${from}) as each)`;
}

function distribution(ranked: Ranks | undefined): Distribution {
  const [count = 0, min = null, p50 = null, p95 = null, max = null] = ranked ?? [];
  const whole = (value: number | null) => (value === null ? null : Math.round(value));
  return { count: count ?? 0, min: whole(min), p50: whole(p50), p95: whole(p95), max: whole(max) };
}

const secondsBuckets = [0.05, 0.25, 1, 2.5, 5, 10, 11, 15, 30, 60, 300];

/** How the fleet lives, at `/metrics`. */
export function measureFleet(registry: Registry, db: Db) {
  const registers = [registry];
  const ends = new Counter({
    name: "lastgood_sessions_ended_total",
    help: "Sessions that ended, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const detection = new Histogram({
    name: "lastgood_death_detection_seconds",
    help: "From the last sign of life of a session to its noticed death.",
    buckets: secondsBuckets,
    registers,
  });
  new Gauge({
    name: "lastgood_sessions_living",
    help: "Sessions that live, by whether their connection was lost.",
    labelNames: ["state"],
    registers,
    async collect() {
      const [row] = await db<{ live: number; suspect: number }[]>`
        select count(*) filter (where suspect_since is null) as live,
               count(*) filter (where suspect_since is not null) as suspect
        from sessions where ended_at is null`;
      this.labels("live").set(row?.live ?? 0);
      this.labels("suspect").set(row?.suspect ?? 0);
    },
  });
  new Gauge({
    name: "lastgood_agents_parked",
    help: "Agents that died again and again and wait for a person.",
    registers,
    async collect() {
      const [row] = await db<{ parked: number }[]>`
        select count(*) as parked from agents where parked_at is not null`;
      this.set(row?.parked ?? 0);
    },
  });
  return {
    ended({ exitReason, heardAt, detectedAt }: Session): void {
      ends.labels(exitReason ?? "none").inc();
      if (!isDeath(exitReason) || detectedAt === null) return;
      detection.observe(Math.max(0, detectedAt.getTime() - heardAt.getTime()) / 1_000);
    },
  };
}
