import { mkdtemp, readdir, readFile, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFolder } from "../../src/store/folder-lock.ts";
import { findPostmaster, stopPostmaster } from "../../src/store/postmaster.ts";

const homePrefix = "lastgood-test-";
const inMemory = "/dev/shm";
/** What a run's databases may come to, several times over. */
const roomBytesMin = 4 * 1024 ** 3;

/**
 * A home for a server of tests. In memory where there is room for it and programs may run from there: each test
 * makes a database of 780 files and drops it, and on a slow disk that takes longer than the test.
 */
export async function makeHome(): Promise<string> {
  return await mkdtemp(join((await mayLieInMemory()) ? inMemory : tmpdir(), homePrefix));
}

async function mayLieInMemory(): Promise<boolean> {
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  const options = / \/dev\/shm tmpfs (\S+)/.exec(mounts)?.[1]?.split(",") ?? [];
  if (!options.includes("rw") || options.includes("noexec")) return false;
  const { bavail, bsize } = await statfs(inMemory);
  return bavail * bsize >= roomBytesMin;
}

/** Ends the servers of test runs that were killed, known by a home that nobody holds. */
export async function endLeftovers(): Promise<void> {
  for (const folder of [tmpdir(), inMemory]) await endLeftoversIn(folder);
}

async function endLeftoversIn(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(homePrefix)) continue;
    const home = join(folder, name);
    const data = join(home, "data");
    // Looked at before it is locked: a home that is being made must not find our lock in its way.
    const found = await findPostmaster(data);
    if (found.kind !== "living") continue;
    const lock = await lockFolder(home).catch(() => null);
    if (lock === null) continue;
    try {
      await stopPostmaster(data, found.recorded.pid);
      await rm(home, { recursive: true, force: true });
    } finally {
      lock.release();
    }
  }
}
