import { mkdtemp, readdir, readFile, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify } from "../../src/process-group.ts";
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
  const folder = (await mayLieInMemory()) ? inMemory : tmpdir();
  return await mkdtemp(join(folder, `${homePrefix}${process.pid}-${startOf(process.pid)}-`));
}

/** With the pid it names one process for good; empty where no process has that pid. */
function startOf(pid: number): string {
  return identify(pid)?.startedAt.replaceAll(/\W/g, "") ?? "";
}

/** Whether the process that made the home is gone, by the home's name: it is told from its first moment on. */
function isLeft(name: string): boolean {
  const [, pid, startedAt] = /^(\d+)-(\w+)-/.exec(name.slice(homePrefix.length)) ?? [];
  return pid !== undefined && startOf(Number(pid)) !== startedAt;
}

async function mayLieInMemory(): Promise<boolean> {
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  const options = / \/dev\/shm tmpfs (\S+)/.exec(mounts)?.[1]?.split(",") ?? [];
  if (!options.includes("rw") || options.includes("noexec")) return false;
  const { bavail, bsize } = await statfs(inMemory);
  return bavail * bsize >= roomBytesMin;
}

/** Ends the servers of test runs that were killed, and removes their homes, in which nothing may run any more. */
export async function endLeftovers(): Promise<void> {
  for (const folder of [tmpdir(), inMemory]) {
    const names = await readdir(folder).catch(() => []);
    const left = names.filter((name) => name.startsWith(homePrefix) && isLeft(name));
    for (const name of left) await endLeftover(join(folder, name));
  }
}

async function endLeftover(home: string): Promise<void> {
  // Another run may be at it, or one whose processes cannot be seen from here.
  const lock = await lockFolder(home).catch(() => null);
  if (lock === null) return;
  try {
    const data = join(home, "data");
    const found = await findPostmaster(data);
    if (found.kind === "doubtful") return;
    if (found.kind === "living") await stopPostmaster(data, found.recorded.pid);
    await rm(home, { recursive: true, force: true });
  } finally {
    lock.release();
  }
}
