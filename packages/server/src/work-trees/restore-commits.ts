/**
 * Gives a clone the commits that a session made and nobody else had. They are written as they were, so they
 * have the ids that they had.
 *
 * It is the one place where git runs in a repository that is not ours: a clone that a person made and named.
 * Nothing of its configuration is run, and none of its files is touched here.
 */
import type { Git, GitOptions } from "../git/git.ts";
import { localUploadPack } from "../git/remote.ts";
import { carriedBy } from "./carry.ts";
import { refPart } from "./keep.ts";
import type { Repository } from "./prepare-steps.ts";
import { readObjects } from "./read-objects.ts";
import type { Save } from "./save.ts";

export type RestoredCommits =
  /** There was none, or the clone has them. */
  | { readonly kind: "none" }
  /** The branch stands on them now; its index as well. */
  | { readonly kind: "moved"; readonly branch: string; readonly ids: readonly string[] }
  /** The clone's branch has gone another way: they are under `ref`. */
  | { readonly kind: "apart"; readonly ref: string; readonly ids: readonly string[] }
  | { readonly kind: "failed"; readonly because: string };

export interface CloneHead {
  readonly id: string | null;
  readonly branch: string | null;
}

const commitBytesMax = 1_048_576;
const settings = ["core.alternateRefsCommand=true"];

export async function restoreCommits(
  git: Git,
  clone: { readonly directory: string; readonly head: CloneHead; readonly isClean: boolean },
  source: Repository,
  save: Save,
  signal: AbortSignal,
): Promise<RestoredCommits> {
  const { directory, head } = clone;
  if (save.head === null || save.head === head.id || save.carrier === null) return { kind: "none" };
  const run = (args: readonly string[], options: GitOptions = {}) =>
    git.run(args, { settings, signal, ...options, directory });
  const answers = [0, 1, 128];
  const isAncestor = async (one: string, other: string) =>
    (await run(["merge-base", "--is-ancestor", one, other], { answers })).code === 0;
  if (head.id !== null && (await isAncestor(save.head, head.id))) return { kind: "none" };

  const carried = await carriedBy(source, save.carrier, signal);
  const ref = `refs/lastgood/restored/${refPart(save.session)}`;
  const passing = `refs/lastgood/carried/${refPart(save.session)}`;
  const side = [
    `--upload-pack=${localUploadPack}`,
    "--no-tags",
    "--no-write-fetch-head",
    "--quiet",
  ];
  await run([
    "fetch",
    ...side,
    "--end-of-options",
    source.directory,
    `+${save.carrier}:${passing}`,
  ]);
  try {
    const blobs = await readObjects(source, "blob", [...carried.values()], commitBytesMax, signal);
    for (const [id, blob] of carried) {
      const args = ["hash-object", "-t", "commit", "-w", "--stdin"];
      const { stdout } = await run(args, { stdin: blobs.get(blob) ?? "" });
      if (stdout.toString("utf8").trim() !== id)
        return failed(`${id.slice(0, 12)} is not what it was`);
    }
    const all = ["--not", "--all", "--not", "--end-of-options", save.head];
    const check = ["rev-list", "--objects", "--quiet", ...all];
    if ((await run(check, { answers })).code !== 0) {
      return failed("they stand on commits that this clone lacks: fetch, and restore again");
    }
    await run(["update-ref", ref, save.head]);
    const ids = [...carried.keys()];
    const isNext = head.id === null || (await isAncestor(head.id, save.head));
    const branch = save.branch ?? head.branch;
    if (!isNext || branch === null) return { kind: "apart", ref, ids };
    if (!(await moveBranch(run, clone, branch, save.head))) return { kind: "apart", ref, ids };
    return { kind: "moved", branch, ids };
  } finally {
    await run(["update-ref", "-d", passing]);
  }
}

function failed(because: string): RestoredCommits {
  return { kind: "failed", because };
}

/** The session's own branch is checked out where the clone does not have it yet, and nothing would be lost. */
async function moveBranch(
  run: (args: readonly string[], options?: GitOptions) => Promise<{ readonly code: number }>,
  { head, isClean }: { readonly head: CloneHead; readonly isClean: boolean },
  branch: string,
  to: string,
): Promise<boolean> {
  const ref = `refs/heads/${branch}`;
  if (branch === head.branch) {
    const was = head.id ?? "";
    if ((await run(["update-ref", ref, to, was], { answers: [0, 1, 128] })).code !== 0)
      return false;
  } else {
    const exists = await run(["rev-parse", "--verify", "--quiet", ref], { answers: [0, 1] });
    if (exists.code === 0 || !isClean) return false;
    await run(["update-ref", ref, to, ""]);
    await run(["symbolic-ref", "HEAD", ref]);
  }
  await run(["read-tree", "--end-of-options", to]);
  return true;
}
