/** What one seed tells: who asks for how much, how many, and what becomes of work that is in flight. */
import type { InFlightPolicy } from "@lastgood/sdk";
import { type Chance, chanceOf } from "../random.ts";
import { type Asked, reasons, type Spec } from "./policy.ts";

export const artifact = "customer-service";
export const environment = "production";
export const agents = ["service-1", "service-2", "service-3"] as const;
/** So many refunds must have failed before the person who is called has read what it is about. */
export const failuresMin = 200;

/** The releases of the story. 2.1.1 has the fault of 2.1.0 in kinder words; 2.2.0 has an exception path. */
export const specs = {
  "2.0.3": { refundLimit: 500 },
  "2.1.0": { refundLimit: 100 },
  "2.1.1": { refundLimit: 120 },
  "2.2.0": {
    refundLimit: 100,
    exceptions: [{ reasons: [...reasons], upTo: 500, secondLook: "a colleague" }],
  },
} as const satisfies Readonly<Record<string, Spec>>;
export type Version = keyof typeof specs;

export interface Story {
  readonly seed: number;
  readonly inFlight: InFlightPolicy;
  /** Requests a second. */
  readonly rate: number;
  /** Requests under 2.0.3 before the spec changes. */
  readonly calm: number;
  /** Of a hundred requests: over what the house owes anybody, and between the old limit and the new one. */
  readonly mix: { readonly tooMuch: number; readonly between: number };
}

export function tellStory(seed: number): Story {
  const chance = chanceOf(seed + 0x2f);
  return {
    seed,
    inFlight: chance.pick(["finish-old", "switch", "cancel-retry"] as const),
    rate: chance.integer(30, 40),
    calm: chance.integer(200, 300),
    mix: { tooMuch: 2, between: chance.integer(26, 28) },
  };
}

/** A request as it is sent. */
export interface Request extends Asked {
  readonly id: string;
  readonly customer: string;
}

/** Who asks for what, one after another. */
export function requestsOf({ seed, mix }: Story): { next(): Request } {
  const chance = chanceOf(seed + 0x5eed);
  let count = 0;
  return {
    next() {
      count += 1;
      const customer = `c${chance.integer(1, 4_000)}`;
      return {
        ...{ id: `refund-${seed}-${count}`, customer, amount: amountOf(chance, mix) },
        reason: chance.pick(reasons),
      };
    },
  };
}

function amountOf(chance: Chance, { tooMuch, between }: Story["mix"]): number {
  const kind = chance.next() * 100;
  if (kind < tooMuch) return chance.integer(501, 2_000);
  // From above what 2.1.1 allows, so that both bad specs fail on all of them.
  if (kind < tooMuch + between) return chance.integer(121, 500);
  return chance.integer(5, 100);
}
