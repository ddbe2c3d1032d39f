import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFolder } from "../../src/store/folder-lock.ts";
import { findPostmaster, stopPostmaster } from "../../src/store/postmaster.ts";

export const homePrefix = "lastgood-test-";

/** Ends the servers of test runs that were killed, known by a home that nobody holds. */
export async function endLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(homePrefix)) continue;
    const home = join(tmpdir(), name);
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
