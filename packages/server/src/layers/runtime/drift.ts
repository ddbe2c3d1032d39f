/** Whether served files are those of the revision: each compared by content with a checkout of its own. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Mirror } from "../../git/mirror.ts";

/** Path -> digest of its content; `missing` digests are never equal to one. */
export type Manifest = ReadonlyMap<string, string>;

const differencesShown = 20;

/** The content of every file of a revision, read afresh from git. */
export async function manifestOf(
  mirror: Mirror,
  revision: string,
  signal: AbortSignal,
): Promise<Manifest> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-manifest-"));
  try {
    await mirror.checkout(revision, folder, signal);
    const manifest = new Map<string, string>();
    for (const path of await filesUnder(folder)) {
      signal.throwIfAborted();
      manifest.set(path, await digestOf(join(folder, path)));
    }
    return manifest;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Files of the revision that are changed or missing in `directory`, at most 20 and a count. What a
 * service writes beside them is its own.
 */
export async function driftFrom(
  manifest: Manifest,
  directory: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const drift: string[] = [];
  for (const [path, digest] of manifest) {
    signal.throwIfAborted();
    const served = await digestOf(join(directory, path));
    if (served !== digest)
      drift.push(served === missing ? `${path} is missing` : `${path} differs`);
  }
  return drift.length <= differencesShown
    ? drift
    : [...drift.slice(0, differencesShown), `and ${drift.length - differencesShown} more`];
}

const missing = "missing";

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

async function digestOf(file: string): Promise<string> {
  try {
    const found = await lstat(file);
    if (found.isSymbolicLink()) return `link ${await readlink(file)}`;
    if (!found.isFile()) return "not a file";
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    return `${(found.mode & 0o100) === 0 ? "file" : "program"} ${hash.digest("hex")}`;
  } catch (error) {
    if (error instanceof Error && "code" in error && isAbsence(error.code)) return missing;
    throw error;
  }
}

function isAbsence(code: unknown): boolean {
  return code === "ENOENT" || code === "ENOTDIR";
}
