/**
 * How a rollout moves its pin: the pin, its change in the ledger and the rollout's own row are written in one
 * transaction, or not at all.
 *
 *   D1. Killed at any line, either both moved or neither did: whoever goes on reads where it stands.
 *   D2. Planned on the epoch that the rollout knows: a pin that anybody else moved is not moved over.
 *   D3. Two processes that take the same arrow: the row's version lets one of them through.
 */
import type { PinShare } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";
import type { MoveDeps, Moved } from "../releases/move-pin.ts";
import type { Pin } from "../releases/pin.ts";
import type { PinDesk } from "../releases/pin-desk.ts";
import type { Tx } from "../store/database.ts";
import type { Rollout } from "./rollout.ts";
import { moveRollout, type Stored, type Told } from "./rollout-store.ts";

export interface DialDeps {
  readonly moving: MoveDeps;
  readonly desk: PinDesk;
}

/** What becomes of the rollout once its pin moved. */
export type Next = (pin: Pick<Pin, "epoch" | "at">) => Rollout;

/** How the ledger names a rollout where it acts by itself. */
export function nameOfRollout({ id }: Pick<Rollout, "id">): string {
  return `rollout:${id}`;
}

export interface Turn {
  readonly shares: readonly PinShare[];
  readonly expect: number;
  readonly by: string;
  readonly because: string;
  readonly told: Told;
  readonly next: Next;
  /** Why what was rolled back may come again; lifts its bar. */
  readonly override?: string;
  /** In the same transaction, before the rollout moves. */
  alongside?(tx: Tx): Promise<void>;
}

/** Forward, as any deployment: bars, review and policy stand in its way. */
export async function turnForward(
  { desk, moving }: DialDeps,
  stored: Stored,
  turn: Turn,
): Promise<void> {
  const { environment, artifact } = stored.rollout;
  const moved = await desk.deploy(
    {
      ...{ environment, artifact, by: turn.by, because: turn.because, expect: turn.expect },
      wanted: { kind: "shares", shares: turn.shares },
      ...{ session: null, inFlight: null, override: turn.override ?? null },
    },
    (tx, pin) => follow(tx, stored, turn, pin),
  );
  await followAlone(moving, stored, turn, moved);
}

/** Backward: nothing stands in its way but a pin that somebody else moved. */
export async function turnBackward(
  { desk, moving }: DialDeps,
  stored: Stored,
  turn: Turn & {
    readonly did: Pin["did"];
    readonly change: ChangeId;
    readonly reverts: readonly ChangeId[];
  },
): Promise<void> {
  const { environment, artifact } = stored.rollout;
  const { did, change, reverts, shares, expect, by, because } = turn;
  const moved = await desk.move(
    {
      ...{ environment, artifact, did, change, expect, by, because },
      decide: async () => ({ shares, reverts }),
    },
    (tx, pin) => follow(tx, stored, turn, pin),
  );
  await followAlone(moving, stored, turn, moved);
}

async function follow(
  tx: Tx,
  stored: Stored,
  { next, told, alongside }: Turn,
  pin: Pin,
): Promise<void> {
  await alongside?.(tx);
  const details = { ...told.details, epoch: pin.epoch, shares: pin.shares, change: pin.change };
  await moveRollout(tx, stored, next(pin), pin.at, { ...told, details });
}

/** The pin stood there already: only the rollout goes on. */
async function followAlone(
  { db, world }: MoveDeps,
  stored: Stored,
  { next, told, alongside }: Turn,
  { pin, already }: Moved,
): Promise<void> {
  if (!already) return;
  const at = world.now();
  await db.begin(async (tx) => {
    await alongside?.(tx);
    await moveRollout(tx, stored, next({ epoch: pin.epoch, at }), at, told);
  });
}
