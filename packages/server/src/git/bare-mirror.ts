/**
 * Our own bare repository of one registered repository, at `<home>/repositories/<name>.git`.
 *
 *   B1. `refs/lastgood/tip` is the branch's tip as last fetched, and only `fetch` moves it.
 *   B2. Planned reverts are kept under `refs/lastgood/plans/`, tips that a rewritten history dropped under
 *       `refs/lastgood/dropped/`, so that neither is collected.
 *   B3. One fetch at a time. Who asks while one runs gets the next one: what a caller is told was always
 *       read after the call.
 *   B4. The repository appears whole or not at all: it is made beside its place and renamed.
 */
import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { checkedOutBranches } from "./checked-out.ts";
import { checkOut } from "./checkout.ts";
import { deadlineMsMax, type Git, GitFailure, type GitOptions } from "./git.ts";
import type { Mirror } from "./mirror.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { type Pushed, pushCommit } from "./push.ts";
import {
  type FullCommit,
  type PathChange,
  patchIdBetween,
  pathsBetween,
  readCommits,
} from "./read-commits.ts";
import {
  isObjectId,
  localUploadPack,
  type MirrorSource,
  type Remote,
  requireObjectId,
} from "./remote.ts";
import { computeRevert, type Revert, type RevertRequest, treeOf } from "./revert.ts";

/** What the code layer may do beyond reading: compute reverts, and push. */
export interface CodeMirror extends Mirror {
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
  /** A revert that is not kept: the same request gives the same id. */
  computeRevert(request: RevertRequest, signal: AbortSignal): Promise<Revert>;
  /** Keeps a commit of ours against collection. */
  keep(kind: "plans" | "dropped", commit: string): Promise<void>;
  /** The remote's branches of that name, read now: the commit it is at, or null. */
  remoteTip(branch: string, signal: AbortSignal): Promise<string | null>;
  /** Moves a branch of the remote from `expected` (null: it must not exist) to a commit of ours. */
  push(
    commit: string,
    branch: string,
    expected: string | null,
    signal: AbortSignal,
  ): Promise<Pushed>;
  /** Packs what has gathered, and forgets plans from before `plannedBefore`; they can be made again. */
  maintain(plannedBefore: Date, signal: AbortSignal): Promise<void>;
  /** Branches that a work tree on this machine has checked out; pushing to them is refused. */
  checkedOutBranches(): Promise<readonly string[]>;
}

const tipRef = "refs/lastgood/tip";

export function openMirror(git: Git, folder: string, source: MirrorSource): CodeMirror {
  const directory = join(folder, `${source.name}.git`);
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

  async function exists(): Promise<boolean> {
    return await access(join(directory, "HEAD")).then(
      () => true,
      () => false,
    );
  }

  async function tip(): Promise<string | null> {
    if (!(await exists())) return null;
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", tipRef];
    const answer = await git.run(args, { ...own, answers: [0, 1] });
    return answer.code === 0 ? answer.stdout.toString("utf8").trim() : null;
  }

  async function fetchNow(signal: AbortSignal): Promise<string | null> {
    const there = await remoteTip(branch, signal);
    if (there === null) {
      if (await exists()) await git.run(["update-ref", "-d", tipRef], { ...own, signal });
      return null;
    }
    if (!(await exists())) await create(git, directory, there.length === 64 ? "sha256" : "sha1");
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

  const fetch = oneAtATime(fetchNow, deadlineMsMax);

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
    fetch,
    tip,
    remoteTip,
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
      if (!isObjectId(commit) || !(await exists())) return false;
      const args = ["cat-file", "-e", `${commit}^{commit}`];
      return (await git.run(args, { ...own, answers: [0, 1, 128] })).code === 0;
    },
    async find(beginning) {
      if (!/^[0-9a-f]{7,64}$/.test(beginning) || !(await exists())) return null;
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
    computeRevert: (request, signal) => computeRevert(git, request, { ...own, signal }),
    async keep(kind, commit) {
      requireObjectId(commit);
      await git.run(["update-ref", `refs/lastgood/${kind}/${commit}`, commit], own);
    },
    push: (commit, to, expected, signal) =>
      pushCommit(git, { commit, branch: to, expected, source }, { ...reach, ...own, signal }),
    async maintain(plannedBefore, signal) {
      if (await exists()) await maintain(git, plannedBefore, { ...own, signal });
    },
    checkedOutBranches: async () =>
      remote.kind === "local" ? await checkedOutBranches(remote.path) : [],
  };
}

async function create(git: Git, directory: string, format: "sha1" | "sha256"): Promise<void> {
  const making = `${directory}.${randomBytes(4).toString("hex")}.new`;
  const args = ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`];
  await git.run([...args, "--initial-branch=none", "--end-of-options", making]);
  await mkdir(join(making, "info"), { recursive: true });
  // Files come out of a checkout as they were committed, whatever `.gitattributes` asks for.
  const raw = "* -text -ident -filter -working-tree-encoding\n";
  await writeFile(join(making, "info/attributes"), raw);
  await rename(making, directory);
}

async function maintain(git: Git, before: Date, options: GitOptions): Promise<void> {
  const format = "--format=%(committerdate:unix) %(refname)";
  const listed = await git.text(["for-each-ref", format, "refs/lastgood/plans"], options);
  const old = listed
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([seconds = "", ref]) => ref !== undefined && Number(seconds) * 1_000 < +before)
    .map(([, ref]) => `delete ${ref}\n`);
  await git.run(["update-ref", "--stdin"], { ...options, stdin: old.join("") });
  await git.run(["gc", "--auto", "--quiet"], {
    ...options,
    deadlineMs: deadlineMsMax,
    settings: ["gc.auto=2000", "gc.autoDetach=false", "gc.autoPackLimit=20"],
  });
}

/** Locks left by a git that was killed outright: none of ours lives longer than `deadlineMsMax`. */
async function removeStaleLocks(directory: string): Promise<void> {
  const folders = ["", "refs/lastgood", "refs/lastgood/plans", "refs/lastgood/dropped"];
  for (const folder of folders) {
    const path = join(directory, folder);
    const names = await readdir(path).catch(() => []);
    for (const name of names.filter((each) => each.endsWith(".lock"))) {
      const file = join(path, name);
      const age = Date.now() - (await stat(file).then((found) => found.mtimeMs, Date.now));
      if (age > 2 * deadlineMsMax) await rm(file, { force: true });
    }
  }
}

async function readFile(
  git: Git,
  commit: string,
  path: string,
  bytesMax: number,
  options: GitOptions,
): Promise<Buffer | null> {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return null;
  const args = ["ls-tree", "-z", "-l", "--full-tree", "--end-of-options", commit, "--", path];
  const listed = await git.text(args, options);
  const entry = /^100(?:644|755) blob ([0-9a-f]+) +(\d+)\t/.exec(listed);
  if (entry === null) return null;
  const [, blob = "", bytes = "0"] = entry;
  if (Number(bytes) > bytesMax) {
    throw new Fault(
      "too_large",
      `${path} at ${commit.slice(0, 12)} has ${bytes} bytes, and at most ${bytesMax} are read: make it smaller.`,
    );
  }
  return (await git.run(["cat-file", "blob", blob], { ...options, bytesMax })).stdout;
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
