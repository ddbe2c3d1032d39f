import type { ChangeId } from "../ids.ts";
import type { Step } from "../layers/layer.ts";
import { putsBack, targetsOf } from "./plan.ts";
import type { Recovery } from "./recovery.ts";

/** Two actors pull one target in opposite directions. */
export interface Contradiction {
  /** `layer:thing`, such as `runtime:content-api`. */
  readonly target: string;
  readonly actors: readonly [string, string, ...string[]];
  readonly changes: readonly ChangeId[];
  readonly because: string;
  /** Names what was seen: the same seen again is told under the same name, and is nothing new. */
  readonly occurrence: string;
}

/** A recovery, and who lets it run. */
export interface Hand {
  readonly recovery: Pick<Recovery, "id" | "undo" | "undoes" | "plan">;
  readonly actor: string;
}

/**
 * Why the second, which was refused because the first is under way, contradicts it; null where it only has
 * to wait: both are the same actor's, both want the same, or they share nothing that is put back.
 */
export function contradictionOf(first: Hand, second: Hand): Contradiction | null {
  if (first.actor === second.actor || wantTheSame(first, second)) return null;
  const moved = new Set(first.recovery.plan.steps.flatMap(putBackBy));
  const target = second.recovery.plan.steps.flatMap(putBackBy).find((each) => moved.has(each));
  if (target === undefined) return null;
  const { id, undo } = second.recovery;
  return {
    target,
    actors: [first.actor, second.actor],
    changes: [...new Set([...first.recovery.undo.changes, ...undo.changes])],
    because: `${first.recovery.id} is moving it (${first.recovery.undo.because}), and ${id} was to move it as well (${undo.because})`,
    occurrence: `${first.recovery.id}-${id}`,
  };
}

function wantTheSame({ recovery: one }: Hand, { recovery: other }: Hand): boolean {
  const wish = ({ undo, undoes }: Hand["recovery"]) =>
    JSON.stringify([undoes, [...undo.changes].sort()]);
  return wish(one) === wish(other);
}

/** Holding hands and inboxes is no fix, and waits; what is put back can be put back in one way only. */
function putBackBy(step: Step): readonly string[] {
  return putsBack(step) ? targetsOf(step) : [];
}
