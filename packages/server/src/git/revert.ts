/**
 * Computes a revert without a checkout: it is known, conflicts included, before anything moves.
 *
 * To take C back from a tip that holds it: make T, a child of C with the tree of C's parent, and merge it
 * with the tip. Their merge base is C, so this is the three-way merge of the revert. Several commits are
 * undone newest first, each on the result of the one before; what comes out is one commit on the tip.
 */
import type { Git, GitOptions } from "./git.ts";

export interface RevertRequest {
  readonly tip: string;
  /** Newest first; every one an ancestor of the tip or the tip itself. */
  readonly commits: readonly string[];
  /** Of those that the revert truly takes back, newest first. */
  message(reverted: readonly string[]): string;
  /** Author's and committer's date, so that the same request makes the same id. */
  readonly at: Date;
}

export type Revert =
  | {
      readonly kind: "reverted";
      /** The revert's own id: its parent is the tip. */
      readonly commit: string;
      readonly tree: string;
      /** What it takes back, and what of the request was already taken back. Newest first. */
      readonly reverted: readonly string[];
      readonly empty: readonly string[];
    }
  | { readonly kind: "nothing" }
  | { readonly kind: "conflicts"; readonly commit: string; readonly files: readonly string[] };

export const revertAuthor = { name: "Lastgood", email: "noreply@lastgood.dev" } as const;

/** Writes objects only; no ref moves. */
export async function computeRevert(
  git: Git,
  { tip, commits, message, at }: RevertRequest,
  options: GitOptions,
): Promise<Revert> {
  const own = { ...options, env: identity(at) };
  const commitTree = (tree: string, parent: string, text: string) =>
    git.text(["commit-tree", "-F", "-", "-p", parent, "--end-of-options", tree], {
      ...own,
      stdin: text,
    });
  const tipTree = await treeOf(git, tip, options);
  let current = { commit: tip, tree: tipTree };
  const reverted: string[] = [];
  const empty: string[] = [];
  for (const commit of commits) {
    const undone = await commitTree(await parentTree(git, commit, options), commit, "undone");
    const merged = await merge(git, current.commit, undone, options);
    if (!merged.clean) return { kind: "conflicts", commit, files: merged.files };
    if (merged.tree === current.tree) {
      empty.push(commit);
      continue;
    }
    reverted.push(commit);
    current = {
      commit: await commitTree(merged.tree, current.commit, "in between"),
      tree: merged.tree,
    };
  }
  if (current.tree === tipTree) return { kind: "nothing" };
  const commit = await commitTree(current.tree, tip, message(reverted));
  return { kind: "reverted", commit, tree: current.tree, reverted, empty };
}

export interface Join {
  /** What the branch is at, and the revert that goes in under it. */
  readonly tip: string;
  readonly revert: string;
  readonly tree: string;
  readonly message: string;
  readonly at: Date;
}

/** Writes the merge of a tip and a revert of its past, with the tree that is given; returns its id. */
export async function commitJoin(
  git: Git,
  { tip, revert, tree, message, at }: Join,
  options: GitOptions,
): Promise<string> {
  const args = ["commit-tree", "-F", "-", "-p", tip, "-p", revert, "--end-of-options", tree];
  return await git.text(args, { ...options, env: identity(at), stdin: message });
}

export async function treeOf(git: Git, commit: string, options: GitOptions): Promise<string> {
  return await git.text(["rev-parse", "--verify", "--end-of-options", `${commit}^{tree}`], options);
}

/** The tree before a commit: of its first parent (a merge's mainline), or the empty one for a root. */
export async function parentTree(git: Git, commit: string, options: GitOptions): Promise<string> {
  const args = ["rev-list", "--parents", "-n", "1", "--end-of-options", commit];
  const [, first] = (await git.text(args, options)).split(" ");
  return first === undefined
    ? await git.text(["mktree"], { ...options, stdin: "" })
    : await treeOf(git, first, options);
}

async function merge(
  git: Git,
  ours: string,
  theirs: string,
  options: GitOptions,
): Promise<{ clean: boolean; tree: string; files: readonly string[] }> {
  const args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"];
  const answer = await git.run([...args, ours, theirs], { ...options, answers: [0, 1] });
  const [tree = "", ...files] = answer.stdout.toString("utf8").split("\0");
  return { clean: answer.code === 0, tree, files: files.filter((file) => file !== "") };
}

function identity(at: Date): Record<string, string> {
  const date = `@${Math.floor(at.getTime() / 1_000)} +0000`;
  const { name, email } = revertAuthor;
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  };
}
