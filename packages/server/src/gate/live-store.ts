/** The SQL of what the bank says of the releases that serve. */
import type { Json, Query } from "../store/database.ts";
import type { Looked } from "./live.ts";

export interface LiveLook extends Looked {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  /** What a rollback would go to, where it was asked too. */
  readonly prior: string | null;
  readonly at: Date;
  readonly tookMs: number;
  /** The check whose turn it was last, where the bank is too large for one look. */
  readonly turn: string | null;
}

const looksMax = 1_000;
const failingMax = 50;
const lettersMax = 1_000;

export async function saveLook(db: Query, look: LiveLook): Promise<void> {
  const { environment, artifact, version, prior, at, tookMs, ok, passed, checks, says } = look;
  const failing = look.failing
    .slice(0, failingMax)
    .map(({ check, why }) => ({ check, why: why.slice(0, lettersMax) }));
  await db`
    insert into live_looks ${db({
      ...{ environment, artifact, version, prior, at, took_ms: tookMs, ok, passed, checks },
      ...{ says: says.slice(0, lettersMax), failing: failing as unknown as Json },
      ...{ known: [...look.known], turn: look.turn },
    })}
    on conflict (environment, artifact) do update set version = excluded.version,
      prior = excluded.prior, at = excluded.at, took_ms = excluded.took_ms, ok = excluded.ok,
      passed = excluded.passed, checks = excluded.checks, says = excluded.says,
      failing = excluded.failing, known = excluded.known, turn = excluded.turn`;
}

export async function findLook(
  db: Query,
  { environment, artifact }: Pick<LiveLook, "environment" | "artifact">,
): Promise<LiveLook | null> {
  const [row] = await selectLooks(db, db`environment = ${environment} and artifact = ${artifact}`);
  return row ?? null;
}

/** Those that fail first, then those that could not be told. */
export async function listLooks(db: Query): Promise<readonly LiveLook[]> {
  return await selectLooks(db, db`true`);
}

async function selectLooks(db: Query, where: ReturnType<Query>): Promise<readonly LiveLook[]> {
  return await db<LiveLook[]>`
    select environment, artifact, version, prior, at, took_ms as "tookMs", ok, passed, checks, says,
           failing, known, turn
    from live_looks where ${where}
    order by ok is not false, ok is not null, environment, artifact limit ${looksMax}`;
}
