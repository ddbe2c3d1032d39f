/**
 * The server's own bare repository of one agent's saved work trees, at `<home>/work-trees/<agent>.git`. What
 * is sent to it is somebody else's.
 *
 *   A1. A pack is unpacked and checked aside, seeing what is here; only when all of it is sound and
 *       connected does it get its place, and the ref its commit.
 *   A2. `refs/lastgood/saves/<session>` is a session's latest save. Nothing else is kept.
 *   A3. One thing at a time for one agent: what is being added is not collected meanwhile.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { createRepository, hasRepository } from "../git/bare-repository.ts";
import { deadlineMsMax, type Git } from "../git/git.ts";
import { revertAuthor } from "../git/revert.ts";
import { createBundle, parseBundle } from "./bundle.ts";
import {
  asideIn,
  durable,
  readSave,
  requireConnected,
  requireHeld,
  unpack,
  unsound,
} from "./check-bundle.ts";
import { refPart } from "./keep.ts";
import { readObjects } from "./read-objects.ts";
import { parseSave, type Save } from "./save.ts";
import type { Format } from "./tree-files.ts";

export interface Accepted {
  readonly save: Save;
  /** As it was sent: JSON, of no form yet. */
  readonly report: Buffer;
  /** Gives all of it its place, and moves the session's ref to it. */
  keep(): Promise<void>;
}

export const reportBytesMax = 2_097_152;
/** What one agent's saves may weigh, packed. */
export const agentBytesMax = 1_073_741_824;

const sessionRef = (session: string) => `refs/lastgood/saves/${refPart(session)}`;

export interface AgentStore {
  /**
   * Looks at a bundle, and lets `use` decide whether it is kept. `bad_input`, `too_large`, and
   * `version_conflict` when it stands on what is not here.
   */
  accept(
    session: string,
    bundle: Buffer,
    signal: AbortSignal,
    use: (accepted: Accepted) => Promise<void>,
  ): Promise<void>;
  /** A bundle of that save alone, which stands on nothing. `not_found` when it is not here. */
  bundleOf(save: string, report: unknown, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** The agent's name as a file's. */
export const storeName = (agent: string) => refPart(agent);

export function openAgentStore(git: Git, folder: string, agent: string): AgentStore {
  const directoryOf = (format: Format) =>
    join(folder, `${storeName(agent)}${format === "sha1" ? "" : `-${format}`}.git`);
  const formatOf = (id: string): Format => (id.length === 64 ? "sha256" : "sha1");

  return {
    async accept(session, bundle, signal, use) {
      const parsed = parseBundle(bundle);
      const directory = directoryOf(formatOf(parsed.save));
      if (!(await hasRepository(directory))) {
        await createRepository(git, directory, formatOf(parsed.save));
      }
      await requireHeld(git, directory, parsed.standsOn, signal);
      await requireRoom(git, directory, bundle.length, agent, signal);
      const aside = join(directory, `incoming-${randomBytes(6).toString("hex")}`);
      await mkdir(join(aside, "pack"), { recursive: true });
      try {
        const within = { git: asideIn(git, directory, aside), directory };
        await unpack(within, bundle.subarray(parsed.packAt), signal);
        const save = await readSave(within, session, parsed.save, signal);
        await requireConnected(within, parsed.save, parsed.standsOn, signal);
        const blobs = await readObjects(within, "blob", [parsed.report], reportBytesMax, signal);
        const report = blobs.get(parsed.report);
        if (report === undefined) throw unsound("its report is missing, or has more than 2 MiB");
        const keep = async () => {
          await move(join(aside, "pack"), join(directory, "objects/pack"));
          const args = ["update-ref", sessionRef(session), save.id];
          await git.run(args, { directory, signal, settings: durable });
        };
        await use({ save, report, keep });
      } finally {
        await rm(aside, { recursive: true, force: true });
      }
    },
    async bundleOf(save, report, signal) {
      const directory = directoryOf(formatOf(save));
      const here = (await hasRepository(directory)) && (await holds(git, directory, save, signal));
      if (!here) {
        throw new Fault(
          "not_found",
          `The files of the save ${save.slice(0, 12)} are not on this machine: they are on the one that took them, or were not part of the backup.`,
        );
      }
      const alone = await commitAlone(git, directory, save, signal);
      const stdin = JSON.stringify(report);
      const args = ["hash-object", "-w", "--no-filters", "--stdin"];
      const blob = await git.text(args, { directory, signal, stdin });
      const bundle = { save: alone, report: blob, standsOn: [] };
      return await createBundle({ git, directory }, bundle, signal);
    },
  };
}

/** What only forgotten saves held makes room first. */
async function requireRoom(
  git: Git,
  directory: string,
  bytes: number,
  agent: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await packsIn(directory)).bytes + bytes <= agentBytesMax) return;
  await collectNow(git, directory, signal);
  const held = (await packsIn(directory)).bytes;
  if (held + bytes <= agentBytesMax) return;
  throw new Fault(
    "too_large",
    `The saved work trees of ${agent} have ${Math.ceil(held / 1_048_576)} MiB, and at most ${agentBytesMax / 1_048_576} are kept: let git ignore what need not be saved, and old sessions will be forgotten.`,
  );
}

async function packsIn(
  directory: string,
): Promise<{ readonly count: number; readonly bytes: number }> {
  const folder = join(directory, "objects/pack");
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { count: names.filter((name) => name.endsWith(".pack")).length, bytes };
}

async function holds(
  git: Git,
  directory: string,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ["cat-file", "-e", `${id}^{commit}`];
  return (await git.run(args, { directory, signal, answers: [0, 1, 128] })).code === 0;
}

/** The same save without those before it. The same save always gives the same commit. */
async function commitAlone(
  git: Git,
  directory: string,
  save: string,
  signal: AbortSignal,
): Promise<string> {
  const own = { directory, signal };
  const format = "--format=%T%n%P%n%ct%n%B";
  const said = await git.text(["log", "-n", "1", format, "--end-of-options", save], own);
  const [tree = "", parents = "", seconds = "", ...lines] = said.split("\n");
  const message = lines.join("\n");
  const carrier = parseSave(save, tree, new Date(0), message)?.carrier ?? "";
  const date = `@${seconds} +0000`;
  const { name, email } = revertAuthor;
  const who = (role: string) => ({
    [`GIT_${role}_NAME`]: name,
    [`GIT_${role}_EMAIL`]: email,
    [`GIT_${role}_DATE`]: date,
  });
  // The message is the sender's: what it names counts only where the save really stands on it.
  const kept = carrier !== "" && parents.split(" ").includes(carrier) ? ["-p", carrier] : [];
  return await git.text(["commit-tree", "-F", "-", ...kept, "--end-of-options", tree], {
    ...own,
    stdin: message,
    env: { ...who("AUTHOR"), ...who("COMMITTER") },
  });
}

/** The index last: git looks for packs by it. */
async function move(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const names = await readdir(from);
  const ordered = names.sort(
    (one, other) => Number(one.endsWith(".idx")) - Number(other.endsWith(".idx")),
  );
  for (const name of ordered) await rename(join(from, name), join(to, name));
}

/** Drops every save but those of `sessions`, with all that only they held. Call it while nothing is added. */
export async function keepOnly(
  git: Git,
  directory: string,
  sessions: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const own = { directory, signal };
  const listed = await git.text(
    ["for-each-ref", "--format=%(refname)", "refs/lastgood/saves"],
    own,
  );
  const kept = new Set(sessions.map(sessionRef));
  const dropped = listed.split("\n").filter((ref) => ref !== "" && !kept.has(ref));
  const stdin = dropped.map((ref) => `delete ${ref}\n`).join("");
  if (stdin !== "") await git.run(["update-ref", "--stdin"], { ...own, stdin });
  const { count, bytes } = await packsIn(directory);
  const isWorthIt = count > packsMax || (count > 1 && bytes > packedBytesMax);
  if (dropped.length > 0 || isWorthIt) await collectNow(git, directory, signal);
}

/** With more packs, or more in several of them, it is worth to pack them into one. */
const packsMax = 20;
const packedBytesMax = 134_217_728;

async function collectNow(git: Git, directory: string, signal: AbortSignal): Promise<void> {
  await git.run(["gc", "--quiet", "--prune=now"], {
    directory,
    signal,
    deadlineMs: deadlineMsMax,
    settings: ["gc.autoDetach=false"],
  });
}
