import { Fault } from "../fault.ts";
import { findPin } from "../releases/pin-store.ts";
import type { Query } from "../store/database.ts";
import type { Canary, Frozen, Live, RollingBack } from "./rollout.ts";

/** Where a rollout's pin stands now. */
export interface AsPinned {
  readonly epoch: number;
  /** Of the candidate; of a dial that was split by hand, to two places. */
  readonly percent: number;
}

/**
 * The dial as it is, whoever turned it last, as long as it is made of the rollout's two releases; otherwise
 * `plan_stale` says who pinned what.
 */
export async function asPinned(
  db: Query,
  { id, environment, artifact, candidate, prior }: Canary | Live | Frozen | RollingBack,
): Promise<AsPinned | null> {
  const pin = await findPin(db, environment, artifact);
  if (pin === null) return null;
  const isOwn = pin.shares.every(
    ({ version }) => version === candidate || version === prior.version,
  );
  const total = pin.shares.reduce((sum, { share }) => sum + share, 0);
  if (isOwn) {
    const own = pin.shares.find(({ version }) => version === candidate);
    return { epoch: pin.epoch, percent: Math.round((10_000 * (own?.share ?? 0)) / total) / 100 };
  }
  const shares = pin.shares.map(({ version, share }) => `${version}:${share}`).join(" ");
  throw new Fault(
    "plan_stale",
    `${pin.by} has pinned ${shares} of ${artifact} in ${environment} meanwhile, which ${id} does not turn: deploy the version that you want.`,
    { context: { rollout: id, epoch: pin.epoch } },
  );
}
