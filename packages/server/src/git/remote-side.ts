/**
 * The other side of a mirror: where it is fetched from and pushed to.
 *
 *   S1. `refs/lastgood/tip` is the branch's tip as last fetched, and only `fetch` moves it.
 *   S2. One fetch at a time; what a caller is told was always read after its call.
 */

import { Fault } from "../fault.ts";
import { createRepository, hasRepository, removeStaleLocks } from "./bare-repository.ts";
import { checkedOutBranches } from "./checked-out.ts";
import { deadlineMsMax, type Git, GitFailure, type GitOptions } from "./git.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { type Pushed, pushCommit } from "./push.ts";
import { isObjectId, localUploadPack, type MirrorSource } from "./remote.ts";

export interface RemoteSide {
  /** Fetches, and returns the branch's tip; null for a branch without commits. `layer_unreachable`. */
  fetch(signal: AbortSignal): Promise<string | null>;
  /** The tip as last fetched. */
  tip(): Promise<string | null>;
  /** The remote's branches of that name, read now: the commit it is at, or null. */
  remoteTip(branch: string, signal: AbortSignal): Promise<string | null>;
  /** Moves a branch of the remote from `expected` (null: it must not exist) to a commit of ours. */
  push(
    commit: string,
    branch: string,
    expected: string | null,
    signal: AbortSignal,
  ): Promise<Pushed>;
  /** Branches that a work tree on this machine has checked out; pushing to them is refused. */
  checkedOutBranches(): Promise<readonly string[]>;
}

const tipRef = "refs/lastgood/tip";

export function createRemoteSide(git: Git, directory: string, source: MirrorSource): RemoteSide {
  const own = { directory };
  const { remote, branch } = source;
  const reach: GitOptions = { deadlineMs: 120_000, env: source.access };
  const uploadPack = remote.kind === "local" ? [`--upload-pack=${localUploadPack}`] : [];

  async function remoteTip(name: string, signal: AbortSignal): Promise<string | null> {
    const ref = `refs/heads/${name}`;
    const args = ["ls-remote", ...uploadPack, "--end-of-options", remote.url, ref];
    const listed = await git
      .text(args, { ...reach, signal, deadlineMs: 30_000 })
      .catch((error) => unreachable(source, error));
    const line = listed.split("\n").find((each) => each.endsWith(`\t${ref}`));
    const id = line?.split("\t")[0] ?? null;
    return id !== null && isObjectId(id) ? id : null;
  }

  async function tip(): Promise<string | null> {
    if (!(await hasRepository(directory))) return null;
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", tipRef];
    const answer = await git.run(args, { ...own, answers: [0, 1] });
    return answer.code === 0 ? answer.stdout.toString("utf8").trim() : null;
  }

  async function fetchNow(signal: AbortSignal): Promise<string | null> {
    const there = await remoteTip(branch, signal);
    if (there === null) {
      if (await hasRepository(directory))
        await git.run(["update-ref", "-d", tipRef], { ...own, signal });
      return null;
    }
    if (!(await hasRepository(directory)))
      await createRepository(git, directory, there.length === 64 ? "sha256" : "sha1");
    if ((await tip()) === there) return there;
    await removeStaleLocks(directory);
    const options = ["--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet"];
    const refspec = `+refs/heads/${branch}:${tipRef}`;
    await git
      .run(["fetch", ...options, ...uploadPack, "--end-of-options", remote.url, refspec], {
        ...reach,
        ...own,
        signal,
      })
      .catch((error) => unreachable(source, error));
    return await tip();
  }

  return {
    fetch: oneAtATime(fetchNow, deadlineMsMax),
    tip,
    remoteTip,
    push: (commit, to, expected, signal) =>
      pushCommit(git, { commit, branch: to, expected, source }, { ...reach, ...own, signal }),
    checkedOutBranches: async () =>
      remote.kind === "local" ? await checkedOutBranches(remote.path) : [],
  };
}

/** Whatever git says against the remote is the remote's doing: away, refusing, or sending bad objects. */
function unreachable(source: MirrorSource, error: unknown): never {
  if (!(error instanceof GitFailure) && !(error instanceof Fault && error.code === "timed_out")) {
    throw error;
  }
  const said = error instanceof GitFailure ? error.says : error.message;
  throw new Fault(
    "layer_unreachable",
    `The repository ${source.name} cannot be read from ${source.remote.url}: ${said}. Nothing was changed; it is tried again.`,
    { cause: error },
  );
}
