/** The SQL of artifacts. */
import type { ArtifactKind, InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Query, Tx } from "../store/database.ts";
import type { Artifact } from "./release.ts";

export const artifactsMax = 10_000;

export async function listArtifacts(db: Query): Promise<readonly Artifact[]> {
  const rows = await db<Row[]>`select * from artifacts order by name limit ${artifactsMax}`;
  return rows.map(toArtifact);
}

export async function findArtifact(db: Query, name: string): Promise<Artifact | null> {
  const [row] = await db<Row[]>`select * from artifacts where name = ${name}`;
  return row === undefined ? null : toArtifact(row);
}

export async function requireArtifact(db: Query, name: string): Promise<Artifact> {
  return (await findArtifact(db, name)) ?? unknown(name);
}

/** Under its row's lock: what is pinned and what is retired of it waits for one another. */
export async function lockArtifact(tx: Tx, name: string): Promise<Artifact> {
  const [row] = await tx<Row[]>`select * from artifacts where name = ${name} for update`;
  return row === undefined ? unknown(name) : toArtifact(row);
}

function unknown(name: string): never {
  throw new Fault(
    "not_found",
    `There is no artifact ${name.slice(0, 100)}: list them with \`lastgood artifacts list\`, or publish its first release with its kind, such as \`lastgood publish spec ${name.slice(0, 100)}:1.0.0\`.`,
  );
}

/** Leaves one that is there as it is. */
export async function insertArtifact(tx: Tx, artifact: Artifact): Promise<void> {
  await tx`
    insert into artifacts ${tx({
      name: artifact.name,
      kind: artifact.kind,
      ...settingsOf(artifact),
      created_at: artifact.createdAt,
      created_by: artifact.createdBy,
    })} on conflict (name) do nothing`;
}

export async function saveSettings(tx: Tx, artifact: Artifact): Promise<void> {
  await tx`update artifacts set ${tx(settingsOf(artifact))} where name = ${artifact.name}`;
}

function settingsOf({ inFlight, review, keep }: Artifact) {
  return {
    ...{ in_flight: inFlight, review },
    ...{ keep_last: keep?.last ?? null, keep_days: keep?.days ?? null },
  };
}

interface Row {
  readonly name: string;
  readonly kind: ArtifactKind;
  readonly in_flight: InFlightPolicy | null;
  readonly review: boolean;
  readonly keep_last: number | null;
  readonly keep_days: number | null;
  readonly created_at: Date;
  readonly created_by: string;
}

function toArtifact(row: Row): Artifact {
  const { keep_last: last, keep_days: days } = row;
  return {
    ...{ name: row.name, kind: row.kind, inFlight: row.in_flight, review: row.review },
    keep: last === null || days === null ? null : { last, days },
    ...{ createdAt: row.created_at, createdBy: row.created_by },
  };
}
