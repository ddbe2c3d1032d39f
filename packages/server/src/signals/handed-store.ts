/** The SQL of samples that one server hands to another: a row for up to a thousand of them. */
import type { Json, Query, Tx } from "../store/database.ts";
import type { Sample } from "./sample.ts";
import { type Packed, packed, unpacked } from "./signals-store.ts";

export interface Handed {
  readonly id: number;
  readonly samples: readonly Sample[];
}

const samplesPerRow = 1_000;
/** So many rows that nobody took: what comes then waits where it is. */
const rowsMax = 1_000;
const rowsPerRead = 50;

/** False: too much lies there already. */
export async function handOver(db: Query, samples: readonly Sample[]): Promise<boolean> {
  const rows: { readonly samples: Json }[] = [];
  for (let from = 0; from < samples.length; from += samplesPerRow) {
    const part = samples.slice(from, from + samplesPerRow);
    rows.push({
      samples: part.map((each) => [each.service, each.signal, ...packed(each)]) as Json,
    });
  }
  const [lying] = await db<{ n: number }[]>`select count(*)::int as n from handed_samples`;
  if ((lying?.n ?? 0) >= rowsMax) return false;
  await db`insert into handed_samples ${db(rows)}`;
  return true;
}

/** Oldest first, without those that were read before. */
export async function readHanded(
  db: Query,
  without: ReadonlySet<number>,
): Promise<readonly Handed[]> {
  const rows = await db<{ id: number; samples: [string, string, ...Packed][] }[]>`
    select id, samples from handed_samples
    where id <> all(${[...without]}::bigint[]) order by id limit ${rowsPerRead}`;
  return rows.map(({ id, samples }) => ({
    id,
    samples: samples.map(([service, signal, ...rest]) => unpacked(service, signal, rest)),
  }));
}

export async function deleteHanded(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`delete from handed_samples where id = any(${[...ids]}::bigint[])`;
}
