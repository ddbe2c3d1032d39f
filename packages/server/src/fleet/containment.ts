import type { AgentName, ChangeId, IncidentId } from "../ids.ts";

/** A hand that is held: what it does from `since` on is not deployed, until it is reinstated. */
export interface Containment {
  readonly agent: AgentName;
  readonly since: Date;
  readonly incident: IncidentId | null;
  readonly because: string;
}

/** A commit as the gate needs it: who made it, and when Lastgood first saw it. */
export interface PushedCommit {
  readonly id: string;
  readonly agent: string;
  readonly seenAt: Date;
}

/** Whether commits may go live. `deployable` is the newest of them that may; null for none. */
export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: string; readonly deployable: string | null };

/** Commits oldest first. The first that a contained hand pushed holds itself and all after it. */
export function admit(
  commits: readonly PushedCommit[],
  containments: readonly Containment[],
): Admission {
  for (const [index, commit] of commits.entries()) {
    const held = containments.find(
      ({ agent, since }) => agent === commit.agent && commit.seenAt >= since,
    );
    if (held === undefined) continue;
    return {
      ok: false,
      because: `${commit.id.slice(0, 7)} was pushed by ${held.agent}, which is contained: ${held.because}`,
      deployable: commits[index - 1]?.id ?? null,
    };
  }
  return { ok: true };
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
