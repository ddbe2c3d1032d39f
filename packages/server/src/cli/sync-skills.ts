/**
 * Keeps a folder of skills as the server has them: `<folder>/<name>/SKILL.md` and `playbook.json`.
 *
 *   Y1. Only what is named in the folder's own list was written here; nothing else is written over or removed.
 *   Y2. The list names a skill before its files are there: a sync that was cut off is finished by the next.
 *   Y3. A file is replaced as a whole, and no link is followed.
 */
import { lstat, mkdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../fault.ts";

export interface Synced {
  readonly written: readonly string[];
  readonly kept: readonly string[];
  readonly removed: readonly string[];
}

const listFile = ".lastgood-skills.json";
const files = ["SKILL.md", "playbook.json"] as const;
const skillsMax = 200;

/** `already_exists` where a folder of a skill's name is somebody else's. */
export async function syncSkills(client: Client, folder: string): Promise<Synced> {
  const { skills, more } = await client.skills({ limit: skillsMax });
  if (more) {
    throw new Fault(
      "too_many",
      `There are more than ${skillsMax} active skills: retire those that nobody needs, see \`lastgood skills list\`.`,
    );
  }
  const names = skills.map(({ name }) => requireName(name));
  await mkdir(folder, { recursive: true });
  const before = await readList(folder);
  for (const name of names) await requireOurs(folder, name, before);
  await writeList(folder, [...new Set([...before, ...names])]);
  const changed = new Map<string, boolean>();
  for (const name of names) {
    const { markdown, playbook } = await client.skill(name);
    await mkdir(join(folder, name), { recursive: true });
    const texts = [markdown, `${JSON.stringify(playbook, null, 2)}\n`];
    const replaced: boolean[] = [];
    for (const [index, file] of files.entries()) {
      replaced.push(await replace(join(folder, name, file), texts[index] ?? ""));
    }
    changed.set(name, replaced.includes(true));
  }
  const removed = before.filter((name) => !names.includes(name));
  for (const name of removed) await remove(folder, name);
  await writeList(folder, names);
  return {
    written: names.filter((name) => changed.get(name) === true),
    kept: names.filter((name) => changed.get(name) !== true),
    removed,
  };
}

/** It becomes a folder's name: nothing that leads elsewhere. */
function requireName(name: string): string {
  if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) && name.length <= 64) return name;
  throw new Fault(
    "bad_input",
    `The server names a skill ${JSON.stringify(name.slice(0, 80))}: that is no skill's name.`,
  );
}

async function readList(folder: string): Promise<readonly string[]> {
  const file = join(folder, listFile);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return [];
  try {
    const { skills } = JSON.parse(text) as { skills: readonly string[] };
    return skills.map(requireName);
  } catch (error) {
    throw new Fault(
      "bad_input",
      `${file} is not as it was written: remove it, and the skills in ${folder} with it.`,
      { cause: error },
    );
  }
}

async function writeList(folder: string, skills: readonly string[]): Promise<void> {
  await replace(join(folder, listFile), `${JSON.stringify({ writtenBy: "lastgood", skills })}\n`);
}

async function requireOurs(
  folder: string,
  name: string,
  written: readonly string[],
): Promise<void> {
  const path = join(folder, name);
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (found === null || (found.isDirectory() && written.includes(name))) return;
  throw new Fault(
    "already_exists",
    `${path} is there and was not written by lastgood: move it away, and sync again.`,
  );
}

/** False where it was the same already. */
async function replace(path: string, text: string): Promise<boolean> {
  const found = await lstat(path).catch(() => null);
  const same = found?.isFile() === true && (await readFile(path, "utf8")) === text;
  if (same) return false;
  const draft = `${path}.${process.pid}.draft`;
  await rm(draft, { force: true });
  await writeFile(draft, text, { flag: "wx" });
  await rename(draft, path);
  return true;
}

/** What others put beside the files stays, and the folder with it. */
async function remove(folder: string, name: string): Promise<void> {
  const path = join(folder, name);
  const found = await lstat(path).catch(() => null);
  if (found?.isDirectory() !== true) return;
  for (const file of files) await rm(join(path, file), { force: true });
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY") throw error;
  });
}
