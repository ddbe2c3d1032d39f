/**
 * One opener per folder, on one machine or on several that share a disk.
 *
 *   K1. The lock is the kernel's (a lock on a file, which SQLite takes for us: Node has no call for it).
 *       It dies with its holder, so there is no stale lock to judge, and none to break.
 *   K2. What stands in `holder.json` is for people only; nothing is decided by it.
 */
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Fault } from "../fault.ts";

export interface FolderLock {
  /** A second call does nothing. */
  release(): void;
}

const sqliteBusy = 5;

/** Locks the folder until released or our death. `already_open` while another process, or we, hold it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const holder = join(folder, "holder.json");
  const database = openLock(folder);
  try {
    database.exec("pragma journal_mode = memory; pragma locking_mode = exclusive; begin exclusive");
  } catch (cause) {
    database.close();
    if ((cause as { errcode?: number }).errcode !== sqliteBusy) throw unusable(folder, cause);
    throw new Fault(
      "already_open",
      `${folder} is in use by another Lastgood${await describe(holder)}: stop that one first, or give this one a home of its own (--home).`,
      { cause, context: { path: folder } },
    );
  }
  const told = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  await writeFile(holder, `${JSON.stringify(told)}\n`, { mode: 0o600 });
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

function openLock(folder: string): DatabaseSync {
  try {
    return new DatabaseSync(join(folder, "lock"));
  } catch (cause) {
    throw unusable(folder, cause);
  }
}

function unusable(folder: string, cause: unknown): Fault {
  return new Fault(
    "bad_configuration",
    `${folder} cannot be locked (${String(cause)}): it must be on a disk of this machine that Lastgood may write to; choose another with --home.`,
    { cause, context: { path: folder } },
  );
}

async function describe(holder: string): Promise<string> {
  try {
    const { pid, host, since } = JSON.parse(await readFile(holder, "utf8")) as Record<
      string,
      unknown
    >;
    return ` (process ${pid} on ${host}, since ${since})`;
  } catch {
    return "";
  }
}
