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
  readonly barredBy: string | null;
}

export type DeployAnswer =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly because: string;
      /** The newest commit before the first held one; null when even the oldest is held. */
      readonly deployable: string | null;
    };

/** Commits oldest first. The first that is barred, or pushed by a contained hand, holds all after it. */
export function mayDeploy(
  commits: readonly PushedCommit[],
  containments: readonly Containment[],
): DeployAnswer {
  for (const [index, commit] of commits.entries()) {
    const because = whyHeld(commit, containments);
    if (because === null) continue;
    return { ok: false, because, deployable: commits[index - 1]?.id ?? null };
  }
  return { ok: true };
}

function whyHeld(commit: PushedCommit, containments: readonly Containment[]): string | null {
  const short = commit.id.slice(0, 7);
  if (commit.barredBy !== null) {
    return `${short} has the content of a commit that was rolled back (${commit.barredBy}): it stays barred until that incident is closed or an operator lifts the bar`;
  }
  const held = containments.find(
    ({ agent, since }) => agent === commit.agent && commit.seenAt >= since,
  );
  return held === undefined
    ? null
    : `${short} was pushed by ${held.agent}, which is contained: ${held.because}`;
}

/** The change that ends a containment names the change that began it. */
export interface ContainmentRow extends Containment {
  readonly changeId: ChangeId;
}
