import type { AgentName, ChangeId, IncidentId } from "../ids.ts";

/** A hand that is held: what it does from `since` on is not deployed, until it is reinstated. */
export interface Containment {
  readonly agent: AgentName;
  readonly since: Date;
  readonly incident: IncidentId | null;
  readonly because: string;
}

/** A commit as the gate needs it: who made it, and when Lastgood first saw it; null where it has not yet. */
export interface PushedCommit {
  readonly id: string;
  readonly agent: string;
  readonly seenAt: Date | null;
}

/** A commit that must not go live yet. */
export interface HeldCommit {
  readonly commit: string;
  readonly because: string;
}

/** Whether commits may go live. `deployable` is the newest of them that may; null for none. */
export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: string; readonly deployable: string | null };

/** Commits oldest first. The first that is held back holds all after it as well. */
export function admit(
  commits: readonly PushedCommit[],
  containments: readonly Containment[],
): Admission {
  const [first] = heldBack(commits, containments);
  if (first === undefined) return { ok: true };
  const at = commits.findIndex(({ id }) => id === first.commit);
  return { ok: false, because: first.because, deployable: commits[at - 1]?.id ?? null };
}

/**
 * Those of the commits, oldest first, that a contained hand pushed since it was contained; and, while any
 * hand is contained, the newest that the ledger does not know yet: they may be its own.
 */
export function heldBack(
  commits: readonly PushedCommit[],
  containments: readonly Containment[],
): readonly HeldCommit[] {
  const [any] = containments;
  if (any === undefined) return [];
  const lastKnown = commits.findLastIndex(({ seenAt }) => seenAt !== null);
  return commits.flatMap(({ id, agent, seenAt }, index) => {
    const short = id.slice(0, 7);
    if (seenAt === null) {
      // What is older than a known one was there before Lastgood looked, and is nobody's.
      const because = `${short} is not in the ledger yet, and ${any.agent} is contained: ${any.because}`;
      return index > lastKnown ? [{ commit: id, because }] : [];
    }
    const held = containments.find((each) => each.agent === agent && seenAt >= each.since);
    if (held === undefined) return [];
    const because = `${short} was pushed by ${held.agent}, which is contained: ${held.because}`;
    return [{ commit: id, because }];
  });
}

/** Of two answers about the same commits (oldest first), the one that lets fewer of them go live. */
export function stricter(one: Admission, other: Admission, commits: readonly string[]): Admission {
  if (one.ok) return other;
  if (other.ok) return one;
  return commits.indexOf(one.deployable ?? "") <= commits.indexOf(other.deployable ?? "")
    ? one
    : other;
}

/** The change that ends a containment names the change that began it. */
export interface ContainmentRow extends Containment {
  readonly changeId: ChangeId;
}
