/** What a commit says of itself, as a change in the ledger. */
import { matchesGlob } from "node:path";
import { parseCheckpoint } from "@lastgood/sdk";
import type { Config } from "../../config/config.ts";
import type { FullCommit } from "../../git/read-commits.ts";
import type { ChangeId } from "../../ids.ts";
import type { NewChange } from "../../ledger/change.ts";

export interface CommitContext {
  readonly repository: string;
  readonly agents: Config["agents"];
  readonly id: ChangeId;
  readonly at: Date;
  /** It was there before Lastgood looked: taken as exposed long ago. */
  readonly history: boolean;
  /** The changes that its patch takes back. */
  readonly reverts: readonly ChangeId[];
}

const pathsMax = 1_000;

export function changeOf(commit: FullCommit, context: CommitContext): NewChange {
  const expected = commit.trailers.Expected ?? [];
  const session = commit.trailers.Session?.at(-1);
  const { task, subtask } = parseCheckpoint(commit.message);
  return {
    id: context.id,
    at: context.at,
    layer: "code",
    kind: "commit",
    target: context.repository,
    agent: agentOf(commit, context.agents),
    task,
    session: session?.slice(0, 200) ?? null,
    from: commit.parents[0] ?? null,
    to: commit.id,
    reason: commit.subject.slice(0, 500),
    reverts: context.reverts,
    details: {
      paths: commit.paths.slice(0, pathsMax),
      ...(commit.paths.length > pathsMax ? { pathsTotal: commit.paths.length } : {}),
      patchId: commit.patchId,
      parents: commit.parents,
      author: { name: commit.authorName.slice(0, 200), email: commit.authorEmail.slice(0, 200) },
      committedAt: commit.committedAt.toISOString(),
      ...(subtask === null ? {} : { subtask: `${subtask.n}/${subtask.of}` }),
      ...(expected.length === 0 ? {} : { expected: expected.slice(0, 20) }),
      ...(context.history ? { history: true } : {}),
    },
  };
}

/** By the author's e-mail as configured, else by the `Agent:` trailer, else the e-mail itself. */
export function agentOf(commit: FullCommit, agents: Config["agents"]): string {
  const email = commit.authorEmail.toLowerCase();
  const configured = Object.entries(agents).find(([, agent]) =>
    agent.authors.some((author) => matchesAuthor(email, author.toLowerCase())),
  );
  const named = commit.trailers.Agent?.at(-1)?.trim();
  return (configured?.[0] ?? (named || email || "unknown")).slice(0, 200);
}

function matchesAuthor(email: string, author: string): boolean {
  return email === author || (/[*?]/.test(author) && matchesGlob(email, author));
}

/**
 * Strictly increasing times for commits seen together, oldest first: as late as they may be, never
 * after `now` unless the one before was. History keeps its commit dates as far as they increase.
 */
export function timesOf(
  commits: readonly FullCommit[],
  { now, after, history }: { now: Date; after: Date | null; history: boolean },
): readonly Date[] {
  let previous = after?.getTime() ?? Number.NEGATIVE_INFINITY;
  return commits.map((commit, index) => {
    const latest = now.getTime() - (commits.length - 1 - index);
    const wanted = history ? Math.min(commit.committedAt.getTime(), latest) : latest;
    previous = Math.max(previous + 1, wanted);
    return new Date(previous);
  });
}
