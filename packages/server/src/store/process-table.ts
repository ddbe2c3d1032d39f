/** Which process stands behind a pid: pids are used again, so a pid alone names nobody. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

export interface Running {
  readonly pid: number;
  /** When it began, in seconds of the epoch, to within a second or two. */
  readonly startedAtS: number;
  readonly command: string;
}

/** The process under this pid, or null when there is none (one that only waits to be reaped is gone). */
export async function findProcess(pid: number): Promise<Running | null> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return process.platform === "linux" ? await fromProc(pid) : await fromPs(pid);
}

const ticksPerSecond = 100;

async function fromProc(pid: number): Promise<Running | null> {
  try {
    const [stat, command, system] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/cmdline`, "utf8"),
      readFile("/proc/stat", "utf8"),
    ]);
    // The name stands in parentheses and may hold anything: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    const bootedAtS = Number(/^btime (\d+)$/m.exec(system)?.[1]);
    const startedAtS = bootedAtS + Number(fields[19]) / ticksPerSecond;
    return { pid, startedAtS, command: command.replaceAll("\0", " ").trim() };
  } catch {
    return null;
  }
}

/** Where there is no /proc. */
export async function fromPs(pid: number): Promise<Running | null> {
  try {
    const { stdout } = await promisify(execFile)(
      "ps",
      ["-ww", "-o", "lstart=,stat=,command=", "-p", String(pid)],
      { env: { ...process.env, LC_ALL: "C" }, timeout: 5_000 },
    );
    const match = /^\s*(\w+\s+\w+\s+\d+\s+[\d:]+\s+\d+)\s+(\S+)\s+(.*)$/m.exec(stdout);
    if (match === null || match[2]?.startsWith("Z")) return null;
    return {
      pid,
      startedAtS: Date.parse(match[1] ?? "") / 1_000,
      command: (match[3] ?? "").trim(),
    };
  } catch {
    return null;
  }
}
