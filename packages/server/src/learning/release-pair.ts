import type { Incident, Recovery } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";
import { findPin, pinsOfChanges } from "../releases/pin-store.ts";
import type { Db } from "../store/database.ts";
import type { ReleasePair } from "./propose-check.ts";

interface PinMove {
  readonly environment: string;
  readonly artifact: string;
  readonly from: { readonly shares: readonly Share[] };
  readonly to: readonly Share[];
  readonly bars: readonly string[];
}
type Share = { readonly version: string; readonly share: number };

/**
 * The release that an incident took away, and the one that serves instead: by its recovery's step, or, where a
 * person moved the pin, by the change that was blamed and the pin as it is now. Null where no release went.
 */
export async function releasePairOf(
  db: Db,
  { decision }: Pick<Incident, "decision">,
  recovery: Recovery | null,
): Promise<ReleasePair | null> {
  const step = recovery?.steps.find(({ layer }) => layer === "versions")?.action;
  // Whoever planned the step wrote it so: `layers/layer.ts` has its shape.
  const byStep = step === undefined ? null : pairOfMove(step as unknown as PinMove);
  return byStep ?? (await pairOfBlamed(db, decision?.changes ?? []));
}

function pairOfMove({ environment, artifact, from, to, bars }: PinMove): ReleasePair | null {
  const stays = new Set(to.map(({ version }) => version));
  const gone = from.shares.map(({ version }) => version).filter((version) => !stays.has(version));
  const bad = bars[0] ?? gone[0];
  const good = mostOf(to);
  return bad === undefined || good === null ? null : { environment, artifact, bad, good };
}

async function pairOfBlamed(db: Db, changes: readonly string[]): Promise<ReleasePair | null> {
  if (changes.length === 0) return null;
  // They come from our own records.
  for (const pin of await pinsOfChanges(db, changes as readonly ChangeId[])) {
    const { environment, artifact, gained } = pin;
    const now = (await findPin(db, environment, artifact))?.shares ?? [];
    const good = mostOf(now);
    const bad = gained.find((version) => !now.some((share) => share.version === version));
    if (bad !== undefined && good !== null) return { environment, artifact, bad, good };
  }
  return null;
}

/** The version with the largest share; null where there is none. */
export function mostOf(shares: readonly Share[]): string | null {
  return shares.toSorted((one, other) => other.share - one.share)[0]?.version ?? null;
}
