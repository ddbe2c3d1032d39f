/**
 * The agent's own commits that no remote has, kept so that they outlive its disk: a commit whose folders are
 * named by their ids, each with the commit as it is written and its tree. A commit cannot be kept as itself
 * without all that came before it; written out again where its parents are, it gets the same id.
 */
import { fromText } from "./byte-path.ts";
import type { HeadCommit } from "./head-commit.ts";
import { type FileCommand, importCommit } from "./import-stream.ts";
import { commitsRef, type Keep } from "./keep.ts";
import { readObjects } from "./read-objects.ts";

const commitBytesMax = 1_048_576;

/** Newest first, of `commits` (newest first, the head's own line); all of them where no remote was ever seen. */
export function notElsewhere(
  commits: readonly HeadCommit[],
  remoteTips: ReadonlySet<string>,
): readonly HeadCommit[] {
  const elsewhere = new Set(remoteTips);
  for (const { id, parents } of commits) {
    if (elsewhere.has(id)) for (const parent of parents) elsewhere.add(parent);
  }
  return commits.filter(({ id }) => !elsewhere.has(id));
}

/** The commit that carries them, written under the session's ref; null where there is nothing to carry. */
export async function carryCommits(
  keep: Keep,
  session: string,
  commits: readonly HeadCommit[],
  at: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const ids = commits.map(({ id }) => id);
  const contents = await readObjects(keep, "commit", ids, commitBytesMax, signal);
  if (contents.size === 0) return null;
  const files = [...contents].flatMap(([id, content]): FileCommand[] => [
    { kind: "write", path: fromText(`${id}/commit`), mode: "100644", content },
    { kind: "place", path: fromText(`${id}/tree`), mode: "040000", id: treeIn(content) },
  ]);
  const message = `Commits that no remote had\n\nLastgood-Session: ${session}\n`;
  const commit = { ref: commitsRef(session), parents: [], message, at, files };
  return (await importCommit(keep, commit, [], signal)).id;
}

/** A commit begins with its tree. */
export function treeIn(commit: Buffer): string {
  return /^tree ([0-9a-f]+)\n/.exec(commit.toString("latin1", 0, 100))?.[1] ?? "";
}
