/**
 * Processes that we start and must be able to end: each in a group of its own, known by pid and start
 * time, so that a pid the kernel has given to somebody else is never signalled.
 */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** One process, for as long as it lives. `startedAt` is the kernel's word, only good for comparing. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
}

export interface GroupOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: StdioOptions;
}

export interface Group {
  readonly child: ChildProcess;
  /** Null when the program could not be started: `child` emits the error. */
  readonly leader: ProcessIdentity | null;
}

/** Starts `argv` as the leader of a group of its own, without a shell. */
export function startGroup(
  [program = "", ...args]: readonly string[],
  { cwd, env, stdio }: GroupOptions,
): Group {
  const child = spawn(program, args, { cwd, env: { ...env }, stdio, detached: true });
  // Until this turn of the event loop ends nobody reaps it, so that even one that ended is found.
  const stat = child.pid === undefined ? null : statOf(child.pid);
  const leader =
    child.pid === undefined ? null : { pid: child.pid, startedAt: stat?.startedAt ?? "" };
  return { child, leader };
}

/** The living process under this pid; null when there is none (a zombie is dead). */
export function identify(pid: number): ProcessIdentity | null {
  const stat = statOf(pid);
  return stat === null || stat.state === "Z" ? null : { pid, startedAt: stat.startedAt };
}

export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return identify(pid)?.startedAt === startedAt;
}

/** `stopped`: by a signal or a debugger, so that it does nothing until it is let go on. */
export function doingOf({ pid, startedAt }: ProcessIdentity): "runs" | "stopped" | "gone" {
  const stat = statOf(pid);
  if (stat === null || stat.startedAt !== startedAt || stat.state === "Z") return "gone";
  return stat.state === "T" || stat.state === "t" ? "stopped" : "runs";
}

/** Sends `signal` to the whole group that `leader` leads; to nobody when nothing of it lives. */
export function tellGroup(leader: ProcessIdentity, signal: NodeJS.Signals): void {
  if (groupLives(leader)) signalGroup(leader, signal);
}

/**
 * Ends the whole group that `leader` leads: SIGTERM, and SIGKILL for what is left after `graceMs`.
 * Resolves when nothing of it lives. A pid that went to another process is left alone.
 */
export async function endGroup(leader: ProcessIdentity, graceMs: number): Promise<void> {
  if (!groupLives(leader)) return;
  signalGroup(leader, "SIGTERM");
  if (await untilGone(leader, graceMs)) return;
  signalGroup(leader, "SIGKILL");
  if (await untilGone(leader, killMsMax)) return;
  throw new Error(`the process group ${leader.pid} is still there after SIGKILL`);
}

const killMsMax = 5_000;

async function untilGone(leader: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let waitMs = 2; groupLives(leader); waitMs = Math.min(waitMs * 2, 40)) {
    if (performance.now() >= deadline) return false;
    await pause(waitMs);
  }
  return true;
}

function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** While a group lives, the kernel gives its number to no other process. */
function groupLives(leader: ProcessIdentity): boolean {
  if (isAlive(leader)) return true;
  const now = identify(leader.pid);
  if (now !== null && now.startedAt !== leader.startedAt) return false;
  return members(leader.pid);
}

function members(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  // A zombie that nobody reaps still answers to kill(0), so the states decide.
  return readdirSync("/proc").some((entry) => {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : null;
    return stat !== null && stat.group === group && stat.state !== "Z";
  });
}

interface Stat {
  readonly state: string;
  readonly group: number;
  readonly startedAt: string;
}

function statOf(pid: number): Stat | null {
  if (!Number.isInteger(pid) || pid <= 1) return null;
  return process.platform === "linux" ? statOfProc(pid) : statOfPs(pid);
}

function statOfProc(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name may hold blanks and brackets: the fields begin after the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", group: Number(fields[2]), startedAt: fields[19] ?? "" };
  } catch {
    return null;
  }
}

function statOfPs(pid: number): Stat | null {
  try {
    const text = execFileSync("ps", ["-o", "state=,pgid=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      timeout: 2_000,
    });
    const [state = "", group = "", ...startedAt] = text.trim().split(/\s+/);
    return { state: state.charAt(0), group: Number(group), startedAt: startedAt.join(" ") };
  } catch {
    return null;
  }
}
