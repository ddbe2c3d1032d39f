/** What one seed tells: when the surge comes, how large it is and how it is signed; or which outage it is. */
import type { InFlightPolicy } from "@lastgood/sdk";
import { type Chance, chanceOf } from "../random.ts";
import { type Channel, endingsKnown, type Surge } from "./tickets.ts";

export const variants = ["surge", "outage"] as const;
export type Variant = (typeof variants)[number];

export const artifact = "support-router";
export const environment = "production";
export const triagers = ["triage-north", "triage-south"] as const;
/** Who writes the tickets, and finds out later where they belonged. */
export const frontDesk = "front-desk";
export const shardCount = 4;

export interface Story {
  readonly seed: number;
  readonly variant: Variant;
  /** Tickets that v14 serves alone before anything happens. */
  readonly calmTickets: number;
  readonly surge: Surge;
  /** Which shards of the accounts' directory go away: both models ask it. */
  readonly outage: readonly number[];
  /** Percent of the keys that the release before keeps; 0: nothing is left to compare with. */
  readonly holdback: number;
  readonly inFlight: InFlightPolicy;
  readonly outcomes: Outcomes;
}

/** For how many of a hundred tickets somebody finds out where they belonged, and how much later. */
export interface Outcomes {
  readonly ofHundred: number;
  readonly afterMs: readonly [number, number];
}

export function tellStory(seed: number, forced: Variant | null): Story {
  const chance = chanceOf(seed + 0x14);
  const channel = chance.pick<Channel>(["chat", "app"]);
  const size = chance.integer(16, 30);
  const [first, ...rest] = chance.shuffle(endingsKnown).slice(0, 3);
  return {
    seed,
    variant: forced ?? "surge",
    calmTickets: chance.integer(150, 400),
    surge: { channel, size, endings: [first ?? "FOX", ...rest] },
    outage: outageOf(chance),
    holdback: chance.pick([0, 5]),
    inFlight: chance.pick(["finish-old", "switch", "cancel-retry"] as const),
    outcomes: { ofHundred: chance.integer(55, 75), afterMs: [300, chance.integer(600, 1_500)] },
  };
}

/** From half of the accounts to all of them. */
function outageOf(chance: Chance): readonly number[] {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  return chance.shuffle(shards).slice(0, chance.integer(2, shardCount));
}

/** The shard of the directory that knows a customer. */
export function shardOf(customer: string): number {
  return chanceOf(Number(customer.slice(1))).integer(0, shardCount - 1);
}
