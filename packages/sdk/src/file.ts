/// <reference types="node" />
/** `@lastgood/sdk/file`: what only a runtime with a file system can do. Everything else is without `node:`. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { SnapshotStorage } from "./snapshot-storage.ts";

/** Keeps the last snapshot of pins in a file: there as a whole, or as it was. For one process at a time. */
export function fileStorage(path: string): SnapshotStorage {
  return {
    async load() {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
        throw error;
      }
    },
    async save(text) {
      await mkdir(dirname(path), { recursive: true });
      const next = `${path}.next`;
      const file = await open(next, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, path);
    },
  };
}
