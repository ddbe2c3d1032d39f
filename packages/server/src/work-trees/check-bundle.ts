/** Takes a pack apart that somebody sent, and says whether it is sound: aside, where nobody sees it. */
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { type Git, GitFailure } from "../git/git.ts";
import { bundleBytesMax } from "./bundle.ts";
import { parseSave, type Save } from "./save.ts";

/** A save that was acknowledged outlives the machine's power. */
export const durable = ["core.fsync=committed,reference,loose-object"];

/** Objects go into `aside`, and those that are here are seen as well. */
export function asideIn(git: Git, directory: string, aside: string): Git {
  const env = {
    GIT_OBJECT_DIRECTORY: aside,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(directory, "objects")),
  };
  return {
    run: (args, options) => git.run(args, { ...options, env: { ...options?.env, ...env } }),
    text: (args, options) => git.text(args, { ...options, env: { ...options?.env, ...env } }),
    pipe: (from, to, options) =>
      git.pipe(from, to, { ...options, env: { ...options?.env, ...env } }),
  };
}

type Repository = { readonly git: Git; readonly directory: string };

/**
 * What git checks of submodules does not matter here: none is ever followed, and an agent may have any file of
 * that name.
 */
const unchecked = ["Blob", "Large", "Missing", "Name", "Parse", "Path", "Symlink", "Update", "Url"]
  .map((each) => `gitmodules${each}=ignore`)
  .join(",");

export async function unpack(
  { git, directory }: Repository,
  pack: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const limit = `--max-input-size=${bundleBytesMax}`;
  const args = ["index-pack", "--stdin", "--fix-thin", `--strict=${unchecked}`, limit];
  await git
    .run(args, { directory, signal, stdin: pack, deadlineMs: 120_000, settings: durable })
    .catch((error) => {
      if (error instanceof GitFailure) throw unsound(error.says);
      throw error;
    });
}

export async function readSave(
  { git, directory }: Repository,
  session: string,
  id: string,
  signal: AbortSignal,
): Promise<Save> {
  const format = "--format=%T%x00%ct%x00%B";
  const args = [
    "log",
    "-z",
    "-n",
    "1",
    "--no-mailmap",
    "--no-notes",
    format,
    "--end-of-options",
    id,
  ];
  const answer = await git.run(args, { directory, signal, answers: [0, 128], bytesMax: 65_536 });
  const [tree = "", seconds = "", message = ""] = answer.stdout.toString("utf8").split("\0");
  const save = parseSave(id, tree, new Date(Number(seconds) * 1_000), message);
  if (save === null) throw unsound(`${id.slice(0, 12)} is no save`);
  if (save.session !== session) throw unsound(`it is a save of the session ${save.session}`);
  return save;
}

export async function requireConnected(
  { git, directory }: Repository,
  save: string,
  standsOn: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const not = standsOn.map((id) => `^${id}`);
  const args = ["rev-list", "--objects", "--quiet", "--end-of-options", save, ...not];
  const answer = await git.run(args, { directory, signal, answers: [0, 128], deadlineMs: 120_000 });
  if (answer.code !== 0) throw unsound("objects that it names are missing");
}

export async function requireHeld(
  git: Git,
  directory: string,
  standsOn: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (standsOn.length === 0) return;
  const listed = await git.text(["for-each-ref", "--format=%(objectname)", "refs/lastgood/saves"], {
    directory,
    signal,
  });
  const held = new Set(listed.split("\n"));
  const missing = standsOn.find((id) => !held.has(id));
  if (missing === undefined) return;
  throw new Fault(
    "version_conflict",
    `The bundle stands on ${missing.slice(0, 12)}, which is not held here any more: ask what is held, and send one that stands on that.`,
  );
}

export function unsound(because: string): Fault {
  return new Fault(
    "bad_input",
    `The bundle is not sound: ${because}. Nothing was saved; send the whole state anew.`,
    { context: { path: "body" } },
  );
}
