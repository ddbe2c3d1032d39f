/**
 * Puts a saved work tree into a folder: an empty one, or a fresh clone, when the disk that it was on has gone.
 * What the clone has of its own is kept: a file that is not as its last commit has it is not overwritten.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { createRepository } from "../git/bare-repository.ts";
import { createGit } from "../git/git.ts";
import { parseBundle } from "./bundle.ts";
import { fromText, shown } from "./byte-path.ts";
import { headFolder } from "./carry.ts";
import { type Inspection, inspectWorkTree, openWorkTree, type WorkTree } from "./inspect.ts";
import { findKeeps, keepsFolder, saveRef } from "./keep.ts";
import { openFolder } from "./open-folder.ts";
import { prepareSteps, type Repository } from "./prepare-steps.ts";
import { putFiles } from "./put-back.ts";
import { type RestoredCommits, restoreCommits } from "./restore-commits.ts";
import type { Save } from "./save.ts";
import { filesOf, findSave } from "./saves.ts";
import { differencesBetween, type TreeFiles } from "./tree-files.ts";
import { planUndo } from "./undo-plan.ts";

export interface RestoreOptions {
  readonly home: string;
  readonly session: string;
  /** Made where there is none. */
  readonly folder: string;
  /** Asked when the session was not saved on this machine. */
  readonly client?: Pick<Client, "workTreeBundle"> | null;
  readonly signal?: AbortSignal;
}

export interface Restored {
  readonly session: string;
  readonly folder: string;
  readonly save: string;
  readonly savedAt: string;
  readonly from: "this machine" | "the server";
  /** Written or taken away. */
  readonly files: readonly string[];
  /** What was not, and why. */
  readonly left: readonly { readonly path: string; readonly because: string }[];
  readonly commits: RestoredCommits;
}

interface Source extends AsyncDisposable {
  readonly repository: Repository;
  readonly save: Save;
  readonly from: Restored["from"];
}

/** `not_found` when nothing was saved of the session, here or at the server. */
export async function restoreWorkTree(options: RestoreOptions): Promise<Restored> {
  const { home, session, folder } = options;
  const signal = options.signal ?? AbortSignal.timeout(300_000);
  await using source = await openSource(options, signal);
  const { repository, save, from } = source;
  await mkdir(folder, { recursive: true });
  const tree = await openWorkTree(folder, { home });
  const inspection = await inspectWorkTree(tree, signal);
  const wanted = await filesOf(repository, save.tree, signal);
  const commits = await commitsInto(tree, inspection, source, signal);
  const left = await startingPoint(inspection, source, commits, signal);
  const { files: now, unknown } = inspection.scan;
  const trees = { target: wanted, left, now, unknown, committed: new Map() };
  const steps = planUndo(trees, { paths: [], evenLater: false }).filter(
    // What is not in a part may be in the rest of it.
    ({ target }) => target !== undefined || save.kind !== "part",
  );
  const prepared = await prepareSteps(tree, [repository, tree.keep], steps, signal);
  using root = openFolder(tree.path);
  const notPut = putFiles(root, prepared.puttings, tree.keep.format);
  const failed = new Set(notPut.map(({ path }) => path));
  return {
    ...{ session, folder: tree.path, save: save.id, savedAt: save.at.toISOString(), from, commits },
    files: prepared.puttings.filter(({ path }) => !failed.has(path)).map(({ path }) => shown(path)),
    left: [
      ...prepared.left.map(({ path }) => ({
        path: shown(path),
        because: "what stands there differs, and is not overwritten",
      })),
      ...notPut.map(({ path, because }) => ({ path: shown(path), because })),
    ],
  };
}

/** What a file is before it gets what was saved: only from there is it altered. */
async function startingPoint(
  { head, base }: Inspection,
  { repository, save }: Source,
  commits: RestoredCommits,
  signal: AbortSignal,
): Promise<TreeFiles> {
  if (head.id === null) return new Map();
  // With the commits, the saved files stand on what the clone had; without them, on what the session had.
  if (commits.kind === "moved" || save.carrier === null) return base;
  return await filesOf(repository, `${save.carrier}:${headFolder}`, signal);
}

async function commitsInto(
  tree: WorkTree,
  { head, base, scan }: Inspection,
  { repository, save }: Source,
  signal: AbortSignal,
): Promise<RestoredCommits> {
  using root = openFolder(tree.path);
  const git = root.look(fromText(".git"));
  if (git?.isDirectory() !== true) return { kind: "none" };
  const isClean = differencesBetween(base, scan.files).length === 0;
  const clone = { directory: join(tree.path, ".git"), head, isClean };
  return await restoreCommits(tree.keep.git, clone, repository, save, signal);
}

async function openSource(
  { home, session, client = null }: RestoreOptions,
  signal: AbortSignal,
): Promise<Source> {
  for (const { keep } of await findKeeps(home, session)) {
    const save = await findSave(keep, saveRef(session), signal);
    if (save === null) continue;
    return { repository: keep, save, from: "this machine", [Symbol.asyncDispose]: async () => {} };
  }
  if (client === null) {
    throw new Fault(
      "not_found",
      `No work tree of ${session} was saved in ${home}: ask the server.`,
    );
  }
  return await unpack(home, Buffer.from(await client.workTreeBundle(session, signal)), signal);
}

/** Into a repository of ours that is there only as long as it is read. */
async function unpack(home: string, bundle: Buffer, signal: AbortSignal): Promise<Source> {
  const parsed = parseBundle(bundle);
  const folder = keepsFolder(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const git = createGit(folder);
  const directory = join(folder, `restoring-${randomBytes(6).toString("hex")}`);
  const close = async () => await rm(directory, { recursive: true, force: true });
  try {
    await createRepository(git, directory, parsed.save.length === 64 ? "sha256" : "sha1");
    const own = { directory, signal, deadlineMs: 120_000 };
    const pack = bundle.subarray(parsed.packAt);
    await git.run(["index-pack", "--stdin", "--fix-thin"], { ...own, stdin: pack });
    const repository = { git, directory };
    const save = await findSave(repository, parsed.save, signal);
    if (save === null) throw new Error(`the server sent ${parsed.save}, which is no save`);
    // What its refs hold, other gits may fetch.
    await git.run(["update-ref", "refs/lastgood/save", parsed.save], own);
    return { repository, save, from: "the server", [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
