import type { GateRun, Incident, Recovery } from "@lastgood/sdk";
import { pinHistory } from "../releases/pin-store.ts";
import type { Db } from "../store/database.ts";
import { type Passage, servedOf } from "./gap.ts";
import { releasePairOf } from "./release-pair.ts";

/** The gate's last verdict on a release that was begun before then; null: it gave none. */
export type JudgedBefore = (
  of: { readonly environment: string; readonly artifact: string; readonly version: string },
  before: Date,
) => Promise<GateRun | null>;

export interface PassageDeps {
  readonly db: Db;
  readonly judgedBefore: JudgedBefore;
}

/** How the release that an incident took away had come to serve; null where it took none away. */
export async function passageOf(
  { db, judgedBefore }: PassageDeps,
  incident: Incident,
  recovery: Recovery | null,
): Promise<Passage | null> {
  const pair = await releasePairOf(db, incident, recovery);
  if (pair === null) return null;
  const { environment, artifact, bad: version } = pair;
  const noticedAt = new Date(incident.detectedAt);
  const [judged, pins] = await Promise.all([
    judgedBefore({ environment, artifact, version }, noticedAt),
    pinHistory(db, environment, artifact),
  ]);
  return {
    release: `${artifact}:${version}`,
    segment: segmentOf(incident),
    judged,
    served: servedOf(pins.toReversed(), version, noticedAt),
  };
}

/** The segment that the verdict named. */
export function segmentOf({ symptoms }: Pick<Incident, "symptoms">): string | null {
  return symptoms.find(({ dimension }) => dimension !== null)?.dimension ?? null;
}
