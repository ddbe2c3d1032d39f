/**
 * The agent's own commits that no remote has, kept so that they outlive its disk: a commit of ours with the
 * tree of the last one, and with a folder for each that holds the commit as it is written and its tree. A
 * commit cannot be kept as itself without all that came before it; written again where its parents are, it
 * gets the same id.
 */
import { isObjectId } from "../git/remote.ts";
import { fromText } from "./byte-path.ts";
import { type FileCommand, importCommit } from "./import-stream.ts";
import { commitsRef, type Keep } from "./keep.ts";
import type { HeadCommit } from "./known.ts";
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

/** The last commit's tree, and each commit's, lie under these. */
export const headFolder = fromText("head");
const commitsFolder = "commits";

/** The carrying commit, written under the session's ref; null where the last commit could not be read. */
export async function carryCommits(
  keep: Keep,
  session: string,
  { head, commits }: { readonly head: HeadCommit; readonly commits: readonly HeadCommit[] },
  at: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const ids = [head.id, ...commits.map(({ id }) => id)];
  const contents = await readObjects(keep, "commit", ids, commitBytesMax, signal);
  const last = contents.get(head.id);
  if (last === undefined) return null;
  const tree = (path: string, id: string): FileCommand => ({
    ...{ kind: "place", path: fromText(path), mode: "040000", id },
  });
  const files = [tree(headFolder, treeIn(last))];
  for (const { id } of commits) {
    const content = contents.get(id);
    if (content === undefined) continue;
    const path = fromText(`${commitsFolder}/${id}/commit`);
    files.push({ kind: "write", path, mode: "100644", content });
    files.push(tree(`${commitsFolder}/${id}/tree`, treeIn(content)));
  }
  const message = `Commits that no remote had\n\nLastgood-Session: ${session}\n`;
  const commit = { ref: commitsRef(session), parents: [], message, at, files };
  return (await importCommit(keep, commit, [], signal)).id;
}

/** The ids of the commits that a carrying commit holds, with the blobs that they are written in. */
export async function carriedBy(
  { git, directory }: Pick<Keep, "git" | "directory">,
  carrier: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const own = { directory, signal };
  const folder = `${carrier}:${commitsFolder}`;
  const args = ["ls-tree", "--name-only", "--end-of-options", folder];
  // 128: it carries none.
  const listed = await git.run(args, { ...own, answers: [0, 128] });
  const ids = listed.stdout.toString("utf8").split("\n").filter(isObjectId);
  if (ids.length === 0) return new Map();
  const names = ids.map((id) => `${folder}/${id}/commit`);
  const blobs = (await git.text(["rev-parse", ...names], own)).split("\n");
  return new Map(ids.map((id, index) => [id, blobs[index] ?? ""]));
}

/** A commit begins with its tree. */
export function treeIn(commit: Buffer): string {
  return /^tree ([0-9a-f]+)\n/.exec(commit.toString("latin1", 0, 100))?.[1] ?? "";
}
