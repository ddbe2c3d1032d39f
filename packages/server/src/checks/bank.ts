/**
 * The bank: a folder of files, one check each, that people read, edit and keep under git.
 *
 *   B1. What lies in the folder is the bank: it is read afresh each time, so that an edit counts at once.
 *   B2. A file that is no check is told, and hides no other.
 *   B3. A check that is there is never overwritten by one that says otherwise.
 *   B4. Links are not followed; what is too large, too deep or too many is told, not read.
 */
import { constants } from "node:fs";
import { access, lstat, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { CheckBank, FaultyCheck, FoundCheck, StoredCheck } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { createGit, type Git } from "../git/git.ts";
import { keepInGit } from "./bank-git.ts";
import { type BankCheck, checkBytesMax } from "./check.ts";
import { checkFileText, FaultyFile, namePart, parseCheckFile } from "./check-file.ts";

export interface Bank {
  /** All of it, or what is about one artifact and what may be. */
  read(artifact?: string): Promise<CheckBank>;
  /** `not_found` where there is none of the name, `bad_configuration` where its file is none. */
  find(name: string): Promise<FoundCheck>;
  /** The check of the artifact that names the incident it was learned from; null where none does. */
  learned(artifact: string, incident: string): Promise<FoundCheck | null>;
  /** B3: `already_exists`. */
  add(check: BankCheck): Promise<StoredCheck>;
}

export interface BankDeps {
  /** Where it lies now: the configuration may move it. */
  folder(): string;
  /** A folder of ours, for git's empty home. */
  readonly home: string;
}

const filesMax = 2_000;
const depthMax = 6;
const extensions = [".yaml", ".yml", ".json"] as const;

export function createBank(deps: BankDeps): Bank {
  let git: Git | null = null;
  /** One file after the other, so that two of one name cannot both be the first. */
  let adding: Promise<unknown> = Promise.resolve();

  async function addNow(check: BankCheck): Promise<StoredCheck> {
    const folder = resolve(deps.folder());
    const text = checkFileText(check);
    const found = await fileOf(folder, check.name);
    if (found !== null) {
      const before = await readOne(folder, found);
      if (!("check" in before) || checkFileText(before.check) !== text) {
        throw new Fault(
          "already_exists",
          `The check ${check.name} is there already, and says otherwise (${found}): edit that file, or give this one another name.`,
        );
      }
      return { check: before.check, file: found, committed: null, already: true };
    }
    const file = `${check.name}.yaml`;
    await writeWhole(folder, join(folder, file), text);
    git ??= createGit(deps.home);
    const committed = await keepInGit(git, folder, file, `Add the check ${check.name}`);
    return { check, file, committed, already: false };
  }

  return {
    read: (artifact) => readAll(resolve(deps.folder()), artifact),
    find: (name) => findIn(resolve(deps.folder()), name),
    async learned(artifact, incident) {
      const folder = resolve(deps.folder());
      const { checks } = await readAll(folder, artifact);
      const own = checks.find((check) => check.incident === incident);
      return own === undefined ? null : await findIn(folder, own.name);
    },
    async add(check) {
      const added = adding.then(() => addNow(check));
      adding = added.catch(() => {});
      return await added;
    },
  };
}

async function readAll(folder: string, artifact?: string): Promise<CheckBank> {
  const { files, faulty } = await listFiles(folder);
  const read = await Promise.all(files.map((file) => readOne(folder, file)));
  const checks = read.flatMap((each) => ("check" in each ? [each.check] : []));
  const bad = [...faulty, ...read.flatMap((each) => ("says" in each ? [each] : []))];
  const concerns = (about: string | null) =>
    artifact === undefined || about === null || about === artifact;
  return {
    folder,
    checks: checks.filter((check) => concerns(check.artifact)),
    faulty: bad.filter((each) => concerns(each.artifact)),
  };
}

async function findIn(folder: string, name: string): Promise<FoundCheck> {
  const file = await fileOf(folder, name);
  if (file === null) {
    throw new Fault(
      "not_found",
      `The bank has no check ${name.slice(0, 200)} in ${folder}: see what it has with \`lastgood checks list\`.`,
    );
  }
  const read = await readOne(folder, file);
  if ("check" in read) return { check: read.check, file };
  throw new Fault("bad_configuration", `${read.file} is no check: ${read.says}.`, {
    context: { path: read.file },
  });
}

async function fileOf(folder: string, name: string): Promise<string | null> {
  if (!name.split("/").every((part) => namePart.test(part))) return null;
  for (const extension of extensions) {
    const file = `${name}${extension}`;
    if ((await lstat(join(folder, file)).catch(() => null))?.isFile()) return file;
  }
  return null;
}

/** Below the folder, by name. */
async function listFiles(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly faulty: readonly FaultyCheck[] }> {
  const files: string[] = [];
  const names = new Set<string>();
  const faulty: FaultyCheck[] = [];
  const tell = (file: string, says: string) => faulty.push({ file, artifact: null, says });

  async function look(below: string, depth: number): Promise<void> {
    const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT" && below === "") return [];
        tell(below, `it cannot be read: ${error.message}`);
        return [];
      },
    );
    for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory() && depth < depthMax) await look(path, depth + 1);
      else if (entry.isDirectory()) tell(path, `it lies over ${depthMax} folders deep`);
      else if (!extensions.some((each) => entry.name.endsWith(each))) continue;
      else if (!entry.isFile())
        tell(path, "it is a link, or no plain file: put the file itself there");
      else if (files.length >= filesMax) return;
      else if (names.has(nameOf(path))) {
        tell(path, "another file gives a check of this name: keep one");
      } else {
        names.add(nameOf(path));
        files.push(path);
      }
    }
  }

  await look("", 1);
  if (files.length >= filesMax)
    tell(folder, `it has ${filesMax} files or more: only so many are read`);
  return { files, faulty };
}

function nameOf(file: string): string {
  return file.replace(/\.(yaml|yml|json)$/, "");
}

async function readOne(
  folder: string,
  file: string,
): Promise<{ readonly check: BankCheck } | FaultyCheck> {
  try {
    const name = nameOf(file);
    const text = await readBounded(join(folder, file));
    const check = parseCheckFile(name, text, file.endsWith(".json") ? "json" : "yaml");
    return { check };
  } catch (error) {
    const artifact = error instanceof FaultyFile ? error.artifact : null;
    return { file, artifact, says: error instanceof Error ? error.message : String(error) };
  }
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > checkBytesMax)
      throw new Error(`it has ${size} bytes, and ${checkBytesMax} are read`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** It appears whole or not at all. */
async function writeWhole(folder: string, path: string, text: string): Promise<void> {
  const making = `${path}.${process.pid}.new`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await requireInside(folder, dirname(path));
    await writeFile(making, text, { flag: "wx" });
    await rename(making, path);
  } catch (cause) {
    await rm(making, { force: true });
    if (cause instanceof Fault) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "state_forbids",
      `The check cannot be written to ${relative(folder, path)} of the bank ${folder} (${why}): let the server write there, or set \`bank\` in lastgood.yaml.`,
      { cause },
    );
  }
}

/** B4. A link among its folders could lead out of the bank. */
async function requireInside(folder: string, path: string): Promise<void> {
  for (let at = path; at !== folder && at.startsWith(folder); at = dirname(at)) {
    const found = await lstat(at);
    if (!found.isDirectory()) throw new Error(`${at} is a link`);
  }
  await access(path, constants.W_OK);
}
