/** What PostgreSQL said when it would not start, as a fault that says what to do. */
import { open } from "node:fs/promises";
import { Fault } from "../fault.ts";

const remedies: readonly (readonly [said: RegExp, remedy: string])[] = [
  [/No space left on device|Disk quota exceeded/i, "The disk is full: make room there"],
  [/Read-only file system/i, "The disk is read-only: mount it writable"],
  [
    /Permission denied|EACCES|invalid permissions|has wrong ownership|EPERM/i,
    "Access is missing: the folder must belong to the account that runs PostgreSQL, be mode 0700, and its disk must allow execution",
  ],
  [
    /could not map anonymous shared memory|Cannot allocate memory|could not create shared memory/i,
    "Memory is short: free some, or raise the limit",
  ],
  [
    /PANIC|invalid checkpoint|could not locate a valid checkpoint|is not a valid data directory|database files are incompatible/i,
    "The data directory is damaged or not ours: move it away and `lastgood restore` the last backup",
  ],
];

/** Says who ended how, what it said last, and what to do now. */
export function complain(
  program: string,
  ended: number | string | null,
  said: string,
  folder: string,
): Fault {
  const remedy =
    remedies.find(([pattern]) => pattern.test(said) || pattern.test(String(ended)))?.[1] ??
    "See postgres.log beside it";
  const words = said === "" ? "nothing" : said;
  return new Fault(
    "store_unreachable",
    `${program} on ${folder} ended with ${ended}. ${remedy}, then start again. It said: ${words}`,
    { context: { path: folder } },
  );
}

const tailBytes = 1_500;

/** The end of a log from `from` on; empty when there is none. */
export async function tailOf(file: string, from = 0): Promise<string> {
  const handle = await open(file, "r").catch(() => null);
  if (handle === null) return "";
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - tailBytes, 0);
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(Math.max(0, size - start)),
      0,
      Math.max(0, size - start),
      start,
    );
    return buffer.subarray(0, bytesRead).toString("utf8").trim();
  } finally {
    await handle.close();
  }
}
