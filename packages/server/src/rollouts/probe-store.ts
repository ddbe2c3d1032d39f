/** The SQL of what was tried of releases that one could go back to. */
import type { GateFinding } from "@lastgood/sdk";
import type { Json, Query } from "../store/database.ts";

export interface Probed {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly ok: boolean;
  /** False: no command says how it is started. */
  readonly starts: boolean;
  readonly says: string;
  readonly findings: readonly GateFinding[];
  readonly at: Date;
  readonly tookMs: number;
}

const probesMax = 1_000;

export async function saveProbe(
  db: Query,
  { environment, artifact, version, ok, starts, says, findings, at, tookMs }: Probed,
): Promise<void> {
  await db`
    insert into prior_probes ${db({
      ...{ environment, artifact, version, ok, starts, at, took_ms: tookMs },
      ...{ says: says.slice(0, 1_000), findings: findings as unknown as Json },
    })}
    on conflict (environment, artifact) do update set version = excluded.version,
      ok = excluded.ok, starts = excluded.starts, says = excluded.says,
      findings = excluded.findings, at = excluded.at, took_ms = excluded.took_ms`;
}

export async function findProbe(
  db: Query,
  { environment, artifact }: Pick<Probed, "environment" | "artifact">,
): Promise<Probed | null> {
  const [row] = await db<Probed[]>`
    select environment, artifact, version, ok, starts, says, findings, at, took_ms as "tookMs"
    from prior_probes where environment = ${environment} and artifact = ${artifact}`;
  return row ?? null;
}

/** Nothing is gone back to there any more: what was tried says nothing of it. */
export async function forgetProbe(
  db: Query,
  { environment, artifact }: Pick<Probed, "environment" | "artifact">,
): Promise<void> {
  await db`
    delete from prior_probes where environment = ${environment} and artifact = ${artifact}`;
}

/** Those that are not passable first. */
export async function listProbes(db: Query): Promise<readonly Probed[]> {
  return await db<Probed[]>`
    select environment, artifact, version, ok, starts, says, findings, at, took_ms as "tookMs"
    from prior_probes order by ok, environment, artifact limit ${probesMax}`;
}
