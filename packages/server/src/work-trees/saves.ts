/** The saves of our own repository: listed, found, forgotten. */
import { stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path/posix";
import { deadlineMsMax } from "../git/git.ts";
import { isForgotten } from "./chain.ts";
import { treeFilesIn } from "./head-commit.ts";
import { type Keep, pastRef, saveRef } from "./keep.ts";
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
  const past = await refsBelow(keep, pastRefs(session), signal);
  const saves: Save[] = [];
  for (const ref of [saveRef(session), ...past.toReversed()]) {
    const options = ["-n", String(savesMax - saves.length), "--first-parent"];
    if (saves.length < savesMax) saves.push(...(await logOf(keep, options, ref, signal)));
  }
  return saves;
}

const pastRefs = (session: string) => dirname(pastRef(session, 0));

async function refsBelow(
  { git, directory }: Repository,
  folder: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const args = ["for-each-ref", "--format=%(refname)", `${folder}/`];
  return (await git.text(args, { directory, signal })).split("\n").filter((ref) => ref !== "");
}

/** The save that a ref or an id names; null where there is none. */
export async function findSave(
  keep: Repository,
  ref: string,
  signal: AbortSignal,
): Promise<Save | null> {
  return (await logOf(keep, ["-n", "1"], ref, signal))[0] ?? null;
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
 * Forgets the sessions beyond the newest `sessionsMax` and those last saved over `daysMax` days ago, but never
 * `spared`. Call it while alone.
 */
export async function forgetSessions(
  keep: Repository,
  spared: string,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  const own = { directory: keep.directory, signal };
  const format = "--format=%(committerdate:unix) %(refname)";
  const args = ["for-each-ref", "--sort=-committerdate", format, "refs/lastgood/work"];
  const listed = (await keep.git.text(args, own)).split("\n").map((line) => line.split(" "));
  const oldest = now.getTime() / 1_000 - keeping.daysMax * 86_400;
  const dropped = listed
    .filter(([seconds], index) => index >= keeping.sessionsMax || Number(seconds) < oldest)
    .map(([, ref = ""]) => ref)
    .filter((ref) => ref !== "" && ref !== saveRef(spared))
    .map((ref) => ref.slice("refs/lastgood/work/".length));
  if (dropped.length === 0) return;
  const all = await refsBelow(keep, "refs/lastgood", signal);
  const isDropped = (ref: string) => dropped.includes(ref.split("/")[3] ?? "");
  await deleteRefs(keep, all.filter(isDropped), signal);
}

/** The chain is full: it is kept as one of the past, and what is too long past is forgotten. */
export async function closeChain(keep: Repository, tip: Save, signal: AbortSignal): Promise<void> {
  const { git, directory } = keep;
  const { session, link, id } = tip;
  await git.run(["update-ref", pastRef(session, link.chain), id], { directory, signal });
  const past = await refsBelow(keep, pastRefs(session), signal);
  const isPast = (ref: string) => isForgotten(Number(basename(ref)), link);
  await deleteRefs(keep, past.filter(isPast), signal);
}

async function deleteRefs(
  { git, directory }: Repository,
  refs: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const stdin = refs.map((ref) => `delete ${ref}\n`).join("");
  if (stdin !== "") await git.run(["update-ref", "--stdin"], { directory, signal, stdin });
}

/**
 * Packs what has gathered, and lets go what nothing holds. `heavy`: so much was written that it is worth its cost
 * now, unless it was done within the last ten minutes. Whoever reads the same tree may just have fetched
 * something: what is younger than ten minutes stays.
 */
export async function collect(
  { git, directory }: Repository,
  { heavy }: { readonly heavy: boolean },
  signal: AbortSignal,
): Promise<void> {
  const mark = join(directory, "lastgood/collected");
  const collectedMs = await stat(mark).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  const isDue = heavy && Date.now() - collectedMs > collectEveryMs;
  await git.run(["gc", "--quiet", ...(isDue ? [] : ["--auto"])], {
    directory,
    signal,
    deadlineMs: deadlineMsMax,
    settings: ["gc.auto=1000", "gc.autoPackLimit=20", "gc.autoDetach=false", prune],
  });
  if (isDue) await writeFile(mark, "");
}

const collectEveryMs = 600_000;
const prune = "gc.pruneExpire=10.minutes.ago";
