/**
 * Our own bare repository of one registered repository, at `<home>/repositories/<name>.git`.
 *
 *   B1. Only the remote side moves the tip. Everything else reads, or adds objects that no branch holds.
 *   B2. Planned reverts are kept under `refs/lastgood/plans/`, tips that a rewritten history dropped under
 *       `refs/lastgood/dropped/`, so that neither is collected.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { hasRepository, maintainRepository } from "./bare-repository.ts";
import { changedLines } from "./changed-lines.ts";
import { checkOut } from "./checkout.ts";
import type { Git } from "./git.ts";
import type { Mirror } from "./mirror.ts";
import {
  type FullCommit,
  type PathChange,
  patchIdBetween,
  pathsBetween,
  readCommits,
} from "./read-commits.ts";
import { readFile } from "./read-file.ts";
import { isObjectId, type MirrorSource, type Remote, requireObjectId } from "./remote.ts";
import { createRemoteSide, type RemoteSide } from "./remote-side.ts";
import {
  commitJoin,
  computeRevert,
  type Join,
  type Revert,
  type RevertRequest,
  treeOf,
} from "./revert.ts";

/** What the code layer may do beyond reading: compute reverts, and push. */
export interface CodeMirror extends Mirror, Omit<RemoteSide, "fetch" | "tip"> {
  readonly remote: Remote;
  commit(id: string): Promise<FullCommit>;
  commitsBetween(from: string | null, to: string, limit: number): Promise<readonly FullCommit[]>;
  /** Ids alone, oldest first: reachable from `to` and not from `from`. */
  idsBetween(from: string | null, to: string, limit: number): Promise<readonly string[]>;
  readCommits(ids: readonly string[], signal?: AbortSignal): Promise<readonly FullCommit[]>;
  /** Those commits after `from`, up to `to`, that touch one of the paths. Newest first, at most 50. */
  touching(from: string, to: string, paths: readonly string[]): Promise<readonly FullCommit[]>;
  has(commit: string): Promise<boolean>;
  /** By a full id or its beginning; null for none, or for more than one. */
  find(beginning: string): Promise<FullCommit | null>;
  treeOf(commit: string): Promise<string>;
  pathsBetween(from: string, to: string): Promise<readonly PathChange[]>;
  patchIdBetween(from: string, to: string): Promise<string | null>;
  /** What a commit added and took away against its parent, with what is around; empty for a very large one. */
  changedLines(id: string, parent: string | null, signal: AbortSignal): Promise<string>;
  /** A revert that is not kept: the same request gives the same id. */
  computeRevert(request: RevertRequest, signal: AbortSignal): Promise<Revert>;
  /** A merge of ours that is not kept, likewise. */
  commitJoin(join: Join, signal: AbortSignal): Promise<string>;
  /** Keeps a commit of ours against collection. */
  keep(kind: "plans" | "dropped", commit: string): Promise<void>;
  /** Packs what has gathered, and forgets plans from before `plannedBefore`; they can be made again. */
  maintain(plannedBefore: Date, signal: AbortSignal): Promise<void>;
}

export function openMirror(git: Git, folder: string, source: MirrorSource): CodeMirror {
  const directory = join(folder, `${source.name}.git`);
  const own = { directory };
  const { remote, branch } = source;
  const side = createRemoteSide(git, directory, source);

  async function idsBetween(from: string | null, to: string, limit: number) {
    // Without a beginning the newest are wanted, with one the oldest: what was not seen yet.
    const bound = from === null ? ["-n", String(limit)] : [];
    const range = [requireObjectId(to), ...(from === null ? [] : [`^${requireObjectId(from)}`])];
    const args = ["rev-list", "--topo-order", "--reverse", ...bound, "--end-of-options", ...range];
    const text = await git.text(args, own);
    return text === "" ? [] : text.split("\n").slice(0, limit);
  }

  async function resolved(revision: string): Promise<string> {
    requireObjectId(revision);
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`];
    const answer = await git.run(args, { ...own, answers: [0, 1, 128] });
    if (answer.code !== 0) {
      throw new Fault(
        "not_found",
        `The repository ${source.name} has no commit ${revision}: push it to ${branch}, or fetch again.`,
      );
    }
    return answer.stdout.toString("utf8").trim();
  }

  const read = (ids: readonly string[], signal?: AbortSignal) =>
    readCommits(git, ids, { ...own, ...(signal && { signal }) });

  return {
    repository: source.name,
    branch,
    remote,
    ...side,
    idsBetween,
    readCommits: read,
    async commitsBetween(from, to, limit) {
      return await read(await idsBetween(from, to, limit));
    },
    async commit(id) {
      const [found] = await read([await resolved(id)]);
      if (found === undefined) throw new Error(`git said nothing of the commit ${id}`);
      return found;
    },
    async has(commit) {
      if (!isObjectId(commit) || !(await hasRepository(directory))) return false;
      const args = ["cat-file", "-e", `${commit}^{commit}`];
      return (await git.run(args, { ...own, answers: [0, 1, 128] })).code === 0;
    },
    async find(beginning) {
      if (!/^[0-9a-f]{7,64}$/.test(beginning) || !(await hasRepository(directory))) return null;
      const args = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
      const answer = await git.run([...args, `${beginning}^{commit}`], {
        ...own,
        answers: [0, 1, 128],
      });
      if (answer.code !== 0) return null;
      const [found] = await read([answer.stdout.toString("utf8").trim()]);
      return found ?? null;
    },
    async isAncestor(ancestor, descendant) {
      const args = ["merge-base", "--is-ancestor", "--end-of-options"];
      const both = [requireObjectId(ancestor), requireObjectId(descendant)];
      // 128: one of them is not here at all, so neither leads to the other.
      const answer = await git.run([...args, ...both], { ...own, answers: [0, 1, 128] });
      return answer.code === 0;
    },
    async touching(from, to, paths) {
      const range = [requireObjectId(to), `^${requireObjectId(from)}`];
      const args = ["rev-list", "-n", "50", "--end-of-options", ...range, "--", ...paths];
      const text = await git.text(args, own);
      return text === "" ? [] : await read(text.split("\n"));
    },
    async checkout(revision, to, signal) {
      const index = join(directory, `index-${randomBytes(6).toString("hex")}`);
      await checkOut(git, await resolved(revision), to, index, { ...own, signal });
    },
    async readFile(revision, path, bytesMax) {
      return await readFile(git, await resolved(revision), path, bytesMax, own);
    },
    treeOf: (commit) => treeOf(git, requireObjectId(commit), own),
    pathsBetween: (from, to) => pathsBetween(git, from, to, own),
    patchIdBetween: (from, to) => patchIdBetween(git, from, to, own),
    changedLines: (id, parent, signal) => changedLines(git, { id, parent }, { ...own, signal }),
    computeRevert: (request, signal) => computeRevert(git, request, { ...own, signal }),
    commitJoin: (join, signal) => commitJoin(git, join, { ...own, signal }),
    async keep(kind, commit) {
      requireObjectId(commit);
      await git.run(["update-ref", `refs/lastgood/${kind}/${commit}`, commit], own);
    },
    async maintain(plannedBefore, signal) {
      if (await hasRepository(directory))
        await maintainRepository(git, plannedBefore, { ...own, signal });
    },
  };
}
