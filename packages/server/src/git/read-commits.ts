/**
 * Reads commits out of our own bare repository, many at a time: three runs of git for a whole batch.
 */
import type { Git, GitOptions } from "./git.ts";
import type { Commit } from "./mirror.ts";

/** A commit with what only the code layer asks for. */
export interface FullCommit extends Commit {
  readonly message: string;
  /** The patch id of the commit turned round: a commit that takes it back has this as its own. */
  readonly inversePatchId: string | null;
}

/** Files above this are compared as a whole: what a diff costs stays bounded. */
const diffedBytesMax = "core.bigFileThreshold=4m";

/** In the order of `ids`. A `GitFailure` when one of them is not there. */
export async function readCommits(
  git: Git,
  ids: readonly string[],
  options: GitOptions,
): Promise<readonly FullCommit[]> {
  if (ids.length === 0) return [];
  const stdin = `${ids.join("\n")}\n`;
  const [heads, paths, patchIds, inversePatchIds] = await Promise.all([
    readHeads(git, { ...options, stdin }),
    readPaths(git, { ...options, stdin }),
    readPatchIds(git, [], { ...options, stdin }),
    readPatchIds(git, ["-R", "--src-prefix=b/", "--dst-prefix=a/"], { ...options, stdin }),
  ]);
  return heads.map((head) => ({
    ...head,
    paths: paths.get(head.id) ?? [],
    patchId: patchIds.get(head.id) ?? null,
    inversePatchId: inversePatchIds.get(head.id) ?? null,
  }));
}

type Head = Omit<FullCommit, "paths" | "patchId" | "inversePatchId">;

const format = ["%H", "%P", "%ae", "%an", "%ct", "%B", "%(trailers:only=true,unfold=true)"];

async function readHeads(git: Git, options: GitOptions): Promise<readonly Head[]> {
  const args = ["log", "--stdin", "--no-walk=unsorted", "-z", "--no-mailmap", "--no-notes"];
  const text = await git.text([...args, `--format=${format.join("%x00")}`], options);
  const fields = text.split("\0");
  const heads: Head[] = [];
  for (let at = 0; at + format.length <= fields.length; at += format.length) {
    const [
      id = "",
      parents = "",
      email = "",
      name = "",
      seconds = "",
      message = "",
      trailers = "",
    ] = fields.slice(at, at + format.length);
    heads.push({
      id,
      parents: parents === "" ? [] : parents.split(" "),
      authorEmail: email,
      authorName: name,
      committedAt: new Date(Number(seconds) * 1_000),
      subject: subjectOf(message),
      message,
      trailers: parseTrailers(trailers),
    });
  }
  return heads;
}

function subjectOf(message: string): string {
  return (message.trimStart().split("\n", 1)[0] ?? "").trim();
}

function parseTrailers(text: string): Readonly<Record<string, readonly string[]>> {
  const trailers: Record<string, string[]> = Object.create(null);
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z0-9][\w-]*)\s*:\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, key = "", value = ""] = match;
    trailers[key] ??= [];
    trailers[key].push(value.trim());
  }
  return { ...trailers };
}

/** Of a merge: the paths that differ from every parent, which only the merge itself can have made. */
async function readPaths(git: Git, options: GitOptions): Promise<Map<string, readonly string[]>> {
  const args = ["diff-tree", "--stdin", "-r", "-z", "--raw", "-c", "--root", "--no-renames"];
  const found = new Map<string, string[]>();
  let paths: string[] = [];
  const tokens = (await git.text(args, options)).split("\0");
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    if (token.startsWith(":")) paths.push(tokens[++at] ?? "");
    else if (token !== "") {
      paths = [];
      found.set(token, paths);
    }
  }
  return found;
}

const patchArgs = [
  "-p",
  "--full-index",
  "--no-ext-diff",
  "--no-textconv",
  "--no-renames",
  "--no-color",
] as const;

/** Commit id to patch id; merges and empty commits have none. */
async function readPatchIds(
  git: Git,
  turned: readonly string[],
  options: GitOptions,
): Promise<Map<string, string>> {
  const text = await git.pipe(
    ["diff-tree", "--stdin", "--root", ...turned, ...patchArgs],
    ["patch-id", "--stable"],
    { deadlineMs: 60_000, ...options, fromSettings: [diffedBytesMax] },
  );
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [patchId = "", id = ""] = line.split(" ");
        return [id, patchId];
      }),
  );
}

/** The patch id of what leads from one tree or commit to another; null when nothing does. */
export async function patchIdBetween(
  git: Git,
  from: string,
  to: string,
  options: GitOptions,
): Promise<string | null> {
  const text = await git.pipe(
    ["diff-tree", "-r", ...patchArgs, "--end-of-options", from, to],
    ["patch-id", "--stable"],
    { deadlineMs: 60_000, ...options, fromSettings: [diffedBytesMax] },
  );
  return text === "" ? null : (text.split(" ")[0] ?? null);
}

/** How one path differs between two trees: `A` added, `D` deleted, `M` altered, `T` another kind. */
export interface PathChange {
  readonly path: string;
  readonly status: string;
}

export async function pathsBetween(
  git: Git,
  from: string,
  to: string,
  options: GitOptions,
): Promise<readonly PathChange[]> {
  const args = ["diff-tree", "-r", "-z", "--name-status", "--no-renames", "--end-of-options"];
  const tokens = (await git.text([...args, from, to], options)).split("\0");
  const changes: PathChange[] = [];
  for (let at = 0; at + 1 < tokens.length; at += 2) {
    changes.push({ status: tokens[at] ?? "", path: tokens[at + 1] ?? "" });
  }
  return changes;
}
