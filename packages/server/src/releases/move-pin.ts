/**
 * How a pin moves: one transaction under the environment's lock. The pin, its change in the ledger and what it
 * exposes are written together, or not at all.
 *
 *   M1. One epoch per change, one change at a time per environment.
 *   M2. What is planned on a pin that moved since moves nothing.
 *   M3. The same change again, after a crash at any line, is left as it is.
 */
import type { PinShare } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";
import { exposeChanges, recordChanges } from "../ledger/ledger-store.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import { lockArtifact } from "./artifact-store.ts";
import { gainedBy, isSame, type Pin, requireExpected, sayShares } from "./pin.ts";
import {
  insertPin,
  lockEnvironment,
  pinHistory,
  pinsOfChanges,
  withdrawExposures,
} from "./pin-store.ts";
import type { Artifact } from "./release.ts";

export interface MoveDeps {
  readonly db: Db;
  readonly world: World;
  /** The services and agents that use the artifact in the environment: damage shows there first. */
  carriersOf(environment: string, artifact: string): readonly string[];
  /** Called once it is written: resolves when whoever asks is told of it. */
  moved(environment: string): Promise<void>;
}

export interface Move {
  readonly environment: string;
  readonly artifact: string;
  /** Fixed before the first try (M3). */
  readonly change: ChangeId;
  readonly did: Pin["did"];
  readonly by: string;
  readonly because: string;
  readonly session?: string | null;
  /** The epoch of the pin that it was planned on, 0 for none; null: whatever is there. */
  readonly expect: number | null;
  /** The changes that it takes back, newest first. */
  readonly reverts?: readonly ChangeId[];
  /**
   * Where to, once the pin is locked; throws what stands against it. `history` is newest first, what is in
   * force first.
   */
  decide(tx: Tx, now: Standing): Promise<Decided>;
}

export interface Decided {
  readonly shares: readonly PinShare[];
  readonly reverts?: readonly ChangeId[];
}

export interface Standing {
  readonly artifact: Artifact;
  readonly history: readonly Pin[];
  readonly current: readonly PinShare[];
}

export interface Moved {
  readonly pin: Pin;
  /** It was pinned so already, or this very change was made before. */
  readonly already: boolean;
}

/** Called in the transaction of the move: what it throws moves nothing. */
export type Wrote = (tx: Tx, pin: Pin, before: readonly PinShare[]) => Promise<void>;

/** `wrote` is called in the same transaction when the pin did move. */
export async function movePin(
  deps: MoveDeps,
  move: Move,
  wrote: Wrote = async () => {},
): Promise<Moved> {
  const moved = await deps.db.begin((tx) => moveIn(tx, deps, move, wrote));
  if (!moved.already) await deps.moved(move.environment);
  return moved;
}

async function moveIn(tx: Tx, deps: MoveDeps, move: Move, wrote: Wrote): Promise<Moved> {
  const { environment, artifact: name, change, did, by, because } = move;
  const artifact = await lockArtifact(tx, name);
  const epoch = await lockEnvironment(tx, environment);
  const [done] = await pinsOfChanges(tx, [change]);
  if (done !== undefined) return { pin: done, already: true };
  const history = await pinHistory(tx, environment, name);
  const [now = null] = history;
  requireExpected(now, move.expect, name);
  const current = now?.shares ?? [];
  const { shares, reverts = [] } = await move.decide(tx, { artifact, history, current });
  if (now !== null && isSame(current, shares)) return { pin: now, already: true };
  const at = deps.world.now();
  const pin: Pin = {
    ...{ environment, artifact: name, epoch: epoch + 1, shares, did, by, because, at, change },
    gained: gainedBy(current, shares),
  };
  await insertPin(tx, pin);
  await record(tx, deps, move, { pin, before: current, reverts });
  await wrote(tx, pin, current);
  return { pin, already: false };
}

async function record(
  tx: Tx,
  { carriersOf }: MoveDeps,
  { session = null }: Move,
  {
    pin,
    before,
    reverts,
  }: {
    readonly pin: Pin;
    readonly before: readonly PinShare[];
    readonly reverts: readonly ChangeId[];
  },
): Promise<void> {
  const { environment, artifact, epoch, did, by, because, at, change } = pin;
  await recordChanges(tx, [
    {
      ...{
        id: change,
        at,
        layer: "versions",
        kind: kindOf(did),
        target: artifact,
        agent: by,
        session,
      },
      from: before.length === 0 ? null : sayShares(before),
      to: sayShares(pin.shares),
      ...{ reason: because, reverts },
      details: { environment, epoch, from: before, to: pin.shares },
    },
  ]);
  const carriers = carriersOf(environment, artifact);
  for (const carrier of carriers) await exposeChanges(tx, [change], carrier, at, null);
  await withdrawExposures(tx, pin, carriers);
}

/** In the ledger's words, whoever did it: going back is going back. */
function kindOf(did: Pin["did"]): string {
  return did === "deploy" ? "deploy" : "rollback";
}
