/**
 * Looks at git repositories on this machine without running git in them: their configuration is not ours.
 * Where they come from is read from their files, history from a shallow copy in a temporary folder.
 */
import { lstat, mkdtemp, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkedOutBranches } from "../../git/checked-out.ts";
import type { Git } from "../../git/git.ts";
import { isObjectId, localUploadPack, requireBranch } from "../../git/remote.ts";
import type { AuthorFacts } from "./facts.ts";

/** A repository found on disk. */
export interface FoundRepository {
  /** The work tree, or the bare repository itself. */
  readonly path: string;
  readonly branch: string;
  /** Where it was cloned from; null for one that stands for itself. */
  readonly remote: string | null;
  readonly isCheckedOut: boolean;
}

const bytesMax = 262_144;

/** The repository at `path` itself: a work tree or a bare one; null where there is none. */
export async function findRepository(path: string): Promise<FoundRepository | null> {
  const directory = await gitDirectoryOf(path);
  if (directory === null) return null;
  const common = await read(join(directory, "commondir"));
  const shared = common === null ? directory : resolve(directory, common.trim());
  const config = (await read(join(shared, "config"))) ?? "";
  const branch = await branchOf(directory, shared);
  return {
    path,
    branch,
    remote: remoteIn(config),
    isCheckedOut: (await checkedOutBranches(path)).includes(branch),
  };
}

/** The repository that `path` is in: the nearest above it, itself included. */
export async function findAround(path: string): Promise<FoundRepository | null> {
  for (let at = path, above = 0; above < 20; at = dirname(at), above++) {
    const found = (await lstat(join(at, ".git")).catch(() => null))
      ? await findRepository(at)
      : null;
    if (found !== null) return found;
    if (dirname(at) === at) return null;
  }
  return null;
}

async function gitDirectoryOf(path: string): Promise<string | null> {
  const inside = join(path, ".git");
  const found = await stat(inside).catch(() => null);
  if (found?.isDirectory()) return inside;
  if (found?.isFile()) {
    const link = /^gitdir: (.+)$/m.exec((await read(inside)) ?? "")?.[1];
    return link === undefined ? null : resolve(path, link);
  }
  const isBare =
    (await read(join(path, "HEAD"))) !== null && (await read(join(path, "config"))) !== null;
  return isBare ? path : null;
}

/** The remote's default branch where the clone knows it, else the branch that HEAD is on, else `main`. */
async function branchOf(directory: string, shared: string): Promise<string> {
  const remoteHead = await read(join(shared, "refs/remotes/origin/HEAD"));
  const told = /^ref: refs\/remotes\/origin\/(.+)$/m.exec(remoteHead ?? "")?.[1];
  const head = /^ref: refs\/heads\/(.+)$/m.exec((await read(join(directory, "HEAD"))) ?? "")?.[1];
  for (const name of [told, head]) {
    if (name !== undefined && isUsable(name.trim())) return name.trim();
  }
  return "main";
}

function isUsable(branch: string): boolean {
  try {
    requireBranch(branch);
    return true;
  } catch {
    return false;
  }
}

/** The URL of `origin`, else of the first remote. */
function remoteIn(config: string): string | null {
  let remote = "";
  let first: string | null = null;
  for (const line of config.split("\n")) {
    const section = /^\s*\[(?:remote "([^"]+)")?/.exec(line);
    if (section !== null) remote = section[1] ?? "";
    const url = remote === "" ? undefined : /^\s*url\s*=\s*(.+?)\s*$/.exec(line)?.[1];
    if (url === undefined) continue;
    if (remote === "origin") return url;
    first ??= url;
  }
  return first;
}

async function read(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info === null || !info.isFile() || info.size > bytesMax) return null;
  return await readFile(path, "utf8").catch(() => null);
}

export interface History {
  /** The bare copy that `tip` can be read from. */
  readonly directory: string;
  readonly tip: string;
  readonly authors: readonly AuthorFacts[];
}

const commitsMax = 500;
const separator = "\x1f";

/** The last commits of a local repository's branch, copied into `folder`. Null for one without commits. */
export async function readHistory(
  git: Git,
  folder: string,
  repository: FoundRepository,
  signal: AbortSignal,
): Promise<History | null> {
  const directory = await mkdtemp(join(folder, "history-"));
  await git.run(["init", "--quiet", "--bare", "--template=", "--end-of-options", directory]);
  const own = { directory, signal, deadlineMs: 60_000 };
  const source = pathToFileURL(resolve(repository.path)).href;
  const refspec = `+refs/heads/${repository.branch}:refs/lastgood/tip`;
  const fetched = await git.run(
    [
      ...["fetch", "--quiet", `--depth=${commitsMax}`, "--no-tags", "--no-write-fetch-head"],
      ...[`--upload-pack=${localUploadPack}`, "--end-of-options", source, refspec],
    ],
    { ...own, answers: [0, 1, 128] },
  );
  if (fetched.code !== 0) return null;
  const tip = await git.text(["rev-parse", "--verify", "refs/lastgood/tip"], own);
  if (!isObjectId(tip)) return null;
  const format = ["%ae", "%an", "%(trailers:key=Agent,valueonly,separator=%x2C)"].join("%x1f");
  const log = await git.text(
    ["log", "-z", "-n", String(commitsMax), `--format=${format}`, "--end-of-options", tip],
    own,
  );
  return { directory, tip, authors: countAuthors(log) };
}

function countAuthors(log: string): readonly AuthorFacts[] {
  const counted = new Map<string, AuthorFacts>();
  for (const line of log.split("\0")) {
    const [email = "", name = "", trailers = ""] = line.split(separator);
    if (email === "") continue;
    const trailer = trailers.split(",")[0]?.trim() ?? "";
    const key = `${email}${separator}${trailer}`;
    const known = counted.get(key);
    counted.set(key, {
      ...{ email, name, trailer: trailer === "" ? null : trailer },
      commits: (known?.commits ?? 0) + 1,
    });
  }
  return [...counted.values()];
}
