/** The SQL of pins. Each change is a row; the newest of an artifact in an environment is in force. */
import { Fault } from "../fault.ts";
import type { ChangeId } from "../ids.ts";
import type { Query, Tx } from "../store/database.ts";
import type { Pin } from "./pin.ts";

export const historyMax = 1_000;
const environmentsMax = 100;

/** The environment under its row's lock, made where there is none; its epoch. */
export async function lockEnvironment(tx: Tx, name: string): Promise<number> {
  const found = await selectForUpdate(tx, name);
  if (found !== null) return found;
  const [counted] = await tx<{ n: number }[]>`select count(*) as n from environments`;
  if ((counted?.n ?? 0) >= environmentsMax) {
    throw new Fault(
      "too_many",
      `There are ${environmentsMax} environments already: deploy to one of them (\`lastgood pins environments\`).`,
    );
  }
  await tx`insert into environments (name) values (${name}) on conflict do nothing`;
  return (await selectForUpdate(tx, name)) ?? 0;
}

async function selectForUpdate(tx: Tx, name: string): Promise<number | null> {
  const [row] = await tx<{ epoch: number }[]>`
    select epoch from environments where name = ${name} for update`;
  return row?.epoch ?? null;
}

export async function listEnvironments(
  db: Query,
): Promise<readonly { name: string; epoch: number; pins: number }[]> {
  return await db<{ name: string; epoch: number; pins: number }[]>`
    select e.name, e.epoch, (select count(distinct artifact) from pins p
      where p.environment = e.name) as pins
    from environments e order by e.name`;
}

/** Its epoch; null for one that nothing was ever pinned in. */
export async function findEpoch(db: Query, environment: string): Promise<number | null> {
  const [row] = await db<{ epoch: number }[]>`
    select epoch from environments where name = ${environment}`;
  return row?.epoch ?? null;
}

/** The mark of the move that made the epoch; null where none did. */
export async function lineAt(
  db: Query,
  environment: string,
  epoch: number,
): Promise<string | null> {
  const [row] = await db<{ line: string }[]>`
    select change_id as line from pins where environment = ${environment} and epoch = ${epoch}`;
  return row?.line ?? null;
}

export async function requireEpoch(db: Query, environment: string): Promise<number> {
  const epoch = await findEpoch(db, environment);
  if (epoch !== null) return epoch;
  throw new Fault(
    "not_found",
    `Nothing was ever pinned in an environment ${environment.slice(0, 100)}: see \`lastgood pins environments\`, or deploy to it first.`,
    { context: { path: "environment", environment } },
  );
}

/** Newest first: the first is in force. */
export async function pinHistory(
  db: Query,
  environment: string,
  artifact: string,
  limit: number = historyMax,
): Promise<readonly Pin[]> {
  return await selectPins(
    db,
    db`p.environment = ${environment} and p.artifact = ${artifact}`,
    limit,
  );
}

export async function findPin(
  db: Query,
  environment: string,
  artifact: string,
): Promise<Pin | null> {
  const [pin] = await pinHistory(db, environment, artifact, 1);
  return pin ?? null;
}

export async function requirePin(db: Query, environment: string, artifact: string): Promise<Pin> {
  const pin = await findPin(db, environment, artifact);
  if (pin !== null) return pin;
  throw new Fault(
    "not_found",
    `${artifact.slice(0, 100)} is not pinned in ${environment.slice(0, 100)}: see \`lastgood pins list\`, or deploy it.`,
    { context: { environment, artifact } },
  );
}

/** The pins that these changes made, oldest first. */
export async function pinsOfChanges(
  db: Query,
  changes: readonly ChangeId[],
): Promise<readonly Pin[]> {
  const found = await selectPins(db, db`p.change_id = any(${[...changes]}::uuid[])`, historyMax);
  return found.toReversed();
}

/** The pins in force, by artifact; those that moved last, where there are more than `limit`. */
export async function pinsInForce(
  db: Query,
  environment: string,
  limit: number,
): Promise<readonly Pin[]> {
  const found = await selectPins(
    db,
    db`p.environment = ${environment} and p.epoch in (
        select max(epoch) from pins where environment = ${environment} group by artifact)`,
    limit,
  );
  return found.toSorted((one, other) => (one.artifact < other.artifact ? -1 : 1));
}

export async function insertPin(tx: Tx, pin: Pin): Promise<void> {
  const { environment, artifact, epoch, did, by, because, at, change, gained, shares } = pin;
  await tx`
    insert into pins (environment, epoch, artifact, did, by, because, at, change_id, gained)
    values (${environment}, ${epoch}, ${artifact}, ${did}, ${by}, ${because}, ${at}, ${change},
            ${[...gained]})`;
  await tx`
    insert into pin_shares ${tx(
      shares.map((each, place) => ({ environment, epoch, place, artifact, ...each })),
    )}`;
  await tx`update environments set epoch = ${epoch} where name = ${environment}`;
}

/** Of the versions, those that were pinned in the environment at some time. */
export async function liveBefore(
  db: Query,
  environment: string,
  artifact: string,
  versions: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db<{ version: string }[]>`
    select distinct version from pin_shares
    where environment = ${environment} and artifact = ${artifact}
      and version = any(${[...versions]})`;
  return new Set(rows.map(({ version }) => version));
}

/**
 * What brought none of the releases that are pinned now is live no more: its exposures are withdrawn, and
 * those of what still is are not.
 */
export async function withdrawExposures(
  tx: Tx,
  { environment, artifact, shares, at }: Pin,
  services: readonly string[],
): Promise<void> {
  const now = shares.map(({ version }) => version);
  await tx`
    update exposures e
    set withdrawn_at = case when p.gained && ${now}::text[] then null
                            else coalesce(e.withdrawn_at, ${at}) end
    from pins p
    where e.change_id = p.change_id and p.environment = ${environment}
      and p.artifact = ${artifact} and e.service = any(${[...services]})`;
}

type Fragment = ReturnType<Query>;

async function selectPins(db: Query, where: Fragment, limit: number): Promise<readonly Pin[]> {
  return await db<Pin[]>`
    select p.environment, p.artifact, p.epoch, p.did, p.by, p.because, p.at,
      p.change_id as change, p.gained,
      (select jsonb_agg(jsonb_build_object('version', s.version, 'share', s.share) order by s.place)
        from pin_shares s
        where s.environment = p.environment and s.epoch = p.epoch) as shares
    from pins p where ${where}
    order by p.epoch desc, p.environment limit ${limit}`;
}
