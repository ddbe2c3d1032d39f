/** The saves of our own repository: listed, found, forgotten. */
import { maintainRepository } from "../git/bare-repository.ts";
import { treeFilesIn } from "./head-commit.ts";
import { commitsRef, type Keep, saveRef } from "./keep.ts";
import { parseSave, type Save } from "./save.ts";
import type { TreeFiles } from "./tree-files.ts";

type Repository = Pick<Keep, "git" | "directory">;

const savesMax = 1_000;

/** Newest first. */
export async function listSaves(
  keep: Repository,
  session: string,
  signal: AbortSignal,
): Promise<readonly Save[]> {
  return await logOf(keep, ["-n", String(savesMax), "--first-parent"], saveRef(session), signal);
}

/** The save that a ref or an id names; null where there is none. */
export async function findSave(
  keep: Repository,
  ref: string,
  signal: AbortSignal,
): Promise<Save | null> {
  return (await logOf(keep, ["-n", "1"], ref, signal))[0] ?? null;
}

/** The session's first save: the work tree as it found it. */
export async function firstSave(
  keep: Repository,
  session: string,
  signal: AbortSignal,
): Promise<Save | null> {
  const { git, directory } = keep;
  const args = ["rev-list", "--first-parent", "--end-of-options", saveRef(session)];
  const answer = await git.run(args, { directory, signal, answers: [0, 128] });
  // The first one has no save before it, but may stand on the commits that it carries.
  const [last = "", before = ""] = answer.stdout.toString("utf8").trim().split("\n").reverse();
  for (const id of [last, before]) {
    const save = id === "" ? null : await findSave(keep, id, signal);
    if (save !== null) return save;
  }
  return null;
}

async function logOf(
  { git, directory }: Repository,
  options: readonly string[],
  ref: string,
  signal: AbortSignal,
): Promise<readonly Save[]> {
  const format = "--format=%H%x00%T%x00%ct%x00%B";
  const args = [
    "log",
    "-z",
    ...options,
    "--no-mailmap",
    "--no-notes",
    format,
    "--end-of-options",
    ref,
  ];
  const answer = await git.run(args, { directory, signal, answers: [0, 128] });
  if (answer.code !== 0) return [];
  const fields = answer.stdout.toString("utf8").split("\0");
  const saves: Save[] = [];
  for (let at = 0; at + 4 <= fields.length; at += 4) {
    const [id = "", tree = "", seconds = "", message = ""] = fields.slice(at, at + 4);
    const save = parseSave(id, tree, new Date(Number(seconds) * 1_000), message);
    if (save !== null) saves.push(save);
  }
  return saves;
}

/** The files of a save, or of any commit or tree of ours. */
export async function filesOf(
  { git, directory }: Repository,
  treeish: string,
  signal: AbortSignal,
): Promise<TreeFiles> {
  const args = ["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", treeish];
  return treeFilesIn(
    (await git.run(args, { directory, signal, bytesMax: listingBytesMax })).stdout,
  );
}

const listingBytesMax = 134_217_728;

export interface Keeping {
  readonly sessionsMax: number;
  readonly daysMax: number;
}

export const keeping: Keeping = { sessionsMax: 20, daysMax: 14 };

/**
 * Forgets the sessions beyond the newest `sessionsMax` and those last saved over `daysMax` days ago, and packs
 * what has gathered. `spared` stays. Call it while alone.
 */
export async function forgetOldSaves(
  { git, directory }: Repository,
  spared: string,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  const own = { directory, signal };
  const format = "--format=%(committerdate:unix) %(refname)";
  const listed = await git.text(
    ["for-each-ref", "--sort=-committerdate", format, "refs/lastgood/work"],
    own,
  );
  const oldest = now.getTime() / 1_000 - keeping.daysMax * 86_400;
  const dropped = listed
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([seconds], index) => index >= keeping.sessionsMax || Number(seconds) < oldest)
    .map(([, ref = ""]) => ref)
    .filter((ref) => ref !== "" && ref !== saveRef(spared));
  const commits = dropped.map((ref) => ref.replace("refs/lastgood/work/", commitsRef("")));
  const deletions = [...dropped, ...commits].map((ref) => `delete ${ref}\n`);
  if (deletions.length > 0) {
    await git.run(["update-ref", "--stdin"], { ...own, stdin: deletions.join("") });
  }
  await maintainRepository(git, now, own);
}
