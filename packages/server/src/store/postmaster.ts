/** The postmaster that a data directory names: who it is, whether it lives, how it is stopped. */
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { findProcess, type Running } from "./process-table.ts";

/** What `postmaster.pid` records. */
export interface Recorded {
  readonly pid: number;
  readonly startedAtS: number;
  readonly port: number;
  /** `ready`, `starting`, `stopping` or `standby`; empty in its first moments. */
  readonly status: string;
}

export type Found =
  | { readonly kind: "none" }
  /** A file that nobody stands behind; the pid may by now be another program's. */
  | { readonly kind: "stale"; readonly recorded: Recorded }
  | { readonly kind: "living"; readonly recorded: Recorded }
  /** PostgreSQL on this very folder, but not the one that was recorded: nothing is done to it. */
  | { readonly kind: "doubtful"; readonly recorded: Recorded };

/** Clocks are in whole seconds, and one is read some way into the start. */
const startToleranceS = 5;

export async function findPostmaster(data: string): Promise<Found> {
  const recorded = await readRecord(data);
  if (recorded === null) return { kind: "none" };
  return judge(data, recorded, await findProcess(recorded.pid));
}

/** Whether `running` is the postmaster that `recorded` tells of: same pid, same start, same folder. */
export function judge(data: string, recorded: Recorded, running: Running | null): Found {
  if (running === null || !isPostmasterOf(data, running.command)) {
    return { kind: "stale", recorded };
  }
  const apartS = Math.abs(running.startedAtS - recorded.startedAtS);
  return { kind: apartS <= startToleranceS ? "living" : "doubtful", recorded };
}

function isPostmasterOf(data: string, command: string): boolean {
  const [program = ""] = command.split(" ", 1);
  return basename(program) === "postgres" && `${command} `.includes(` -D ${data} `);
}

const pidFile = (data: string) => join(data, "postmaster.pid");

async function readRecord(data: string): Promise<Recorded | null> {
  const text = await readFile(pidFile(data), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return null;
  const lines = text.split("\n").map((line) => line.trim());
  return {
    pid: Number(lines[0]),
    startedAtS: Number(lines[2] ?? 0),
    port: Number(lines[3] ?? 0),
    status: lines[7] ?? "",
  };
}

/** Above every pid that Linux and macOS give. */
const nobody = 2_147_483_647;

/**
 * Where the recorded pid now belongs to another program, PostgreSQL would take that for its predecessor
 * and refuse to start. The file is kept, since it also names the shared memory by which PostgreSQL sees
 * orphans of the old one; only the pid in it becomes one that nobody has.
 */
export async function disownRecord(data: string): Promise<void> {
  const file = pidFile(data);
  const lines = (await readFile(file, "utf8")).split("\n");
  lines[0] = String(nobody);
  // The folder is another account's: a link that it placed there must not lead us elsewhere.
  const handle = await open(file, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  try {
    await handle.writeFile(lines.join("\n"));
  } finally {
    await handle.close();
  }
}

const stopMsMax = 15_000;

/** Fast shutdown: sessions end, what was acknowledged is on disk. Resolves when it is gone. */
export async function stopPostmaster(data: string, pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    if (!(await stillRuns(data, pid))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") return;
      throw error;
    }
    if (await gone(data, pid, Date.now() + stopMsMax)) return;
  }
  throw new Fault(
    "timed_out",
    `PostgreSQL (process ${pid}) did not stop within ${(2 * stopMsMax) / 1_000} s: look at the log beside ${data}, then kill it.`,
  );
}

/** Resolves when no postmaster of this folder runs under the pid any more. */
export async function untilGone(data: string, pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await stillRuns(data, pid))) {
    await delay(250, undefined, { signal }).catch(() => {});
  }
}

async function gone(data: string, pid: number, deadline: number): Promise<boolean> {
  while (Date.now() < deadline) {
    if (!(await stillRuns(data, pid))) return true;
    await delay(10);
  }
  return false;
}

async function stillRuns(data: string, pid: number): Promise<boolean> {
  const running = await findProcess(pid);
  return running !== null && isPostmasterOf(data, running.command);
}
