/** What is told of an execution, and what that comes to. Pure. */
import { Fault } from "../fault.ts";
import { canonical, type Json } from "../json/canonical.ts";
import type { Execution } from "./execution.ts";
import { digestOf } from "./output-digest.ts";

export const outcomesMax = 1_000;

export interface Told {
  /** Null: by the right answer. */
  readonly score: number | null;
  /** Undefined: it is not said. */
  readonly expected: Json | undefined;
  readonly note: string;
}

/** What is kept of it. */
export interface Turned {
  readonly score: number;
  /** Null: it was not said. */
  readonly expected: Json;
  readonly note: string;
}

/** What is told, beside what was told last. */
export type Telling =
  | { readonly kind: "taken" | "corrected"; readonly turned: Turned }
  /** The very same was told before. */
  | { readonly kind: "known" };

/** Faults `state_forbids` where there is nothing that the right answer could be compared with. */
export function tellingOf(execution: Execution, told: Told, before: Turned | null): Telling {
  const { expected = null, note } = told;
  const turned = { score: told.score ?? scoreBy(execution, expected), expected, note };
  if (before === null) return { kind: "taken", turned };
  return isSame(turned, before) ? { kind: "known" } : { kind: "corrected", turned };
}

function isSame(one: Turned, other: Turned): boolean {
  return (
    one.score === other.score &&
    one.note === other.note &&
    canonical(one.expected) === canonical(other.expected)
  );
}

function scoreBy({ id, outputDigest }: Execution, expected: Json): number {
  if (outputDigest !== null) return outputDigest === digestOf(expected) ? 1 : 0;
  throw new Fault(
    "state_forbids",
    `${id} has no output that the right answer could be compared with: give a score with it.`,
    { context: { path: "score", execution: id } },
  );
}
