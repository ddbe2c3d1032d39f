/** Workers as processes: started, listened to, and killed. What each of them said stays known. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Line, parseLine } from "./said.ts";
import type { WorkerBriefing } from "./worker.ts";

export interface Life {
  readonly agent: string;
  readonly pid: number;
  readonly leaseMs: number;
  readonly startedAt: number;
  readonly lines: readonly Line[];
  /** When SIGKILL was sent to it and all that it had started; null while nobody did. */
  killedAt(): number | null;
  isOver(): boolean;
  /** What it said on stderr when it ended by itself with a failure; null where it did not. */
  brokeWith(): string | null;
  /** The session that it said it has. */
  session(): string | null;
  /** Resolves once it has said so many lines, or is over. */
  hasSaid(lines: number): Promise<void>;
  /** False where it was over before. Resolves when it is gone and all that it said was read. */
  kill(): Promise<boolean>;
  /** SIGTERM, and SIGKILL where that is not enough. Resolves when it is gone. */
  stop(): Promise<void>;
}

const stopMsMax = 20_000;
const file = join(import.meta.dirname, "worker.ts");

export function startLife(briefing: WorkerBriefing): Life {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(
    process.execPath,
    ["--conditions=development", "--disable-warning=ExperimentalWarning", file],
    {
      // A group of its own: a kill takes with it what the worker has started, as a pod's end would.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH, NODE_COMPILE_CACHE, KILLS_WORKER: JSON.stringify(briefing) },
    },
  );
  return listenTo(child, briefing);
}

function listenTo(child: ChildProcess, { agent, leaseMs }: WorkerBriefing): Life {
  const { pid = -1, stdout, stderr } = child;
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  let killedAt: number | null = null;
  let isOver = false;
  let complaint = "";
  let brokeWith: string | null = null;
  if (stdout === null || stderr === null) throw new Error("a worker without pipes");
  stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-4_000);
  });
  createInterface({ input: stdout }).on("line", (text) => {
    const line = parseLine(text);
    if (line !== null) lines.push(line);
    for (const look of waiting) look();
  });
  const over = once(child, "close").then(() => {
    isOver = true;
    for (const look of waiting) look();
    if (killedAt === null && child.exitCode !== 0) {
      brokeWith = `it ended with ${child.exitCode ?? child.signalCode}: ${complaint}`;
    }
  });
  return {
    ...{ agent, pid, leaseMs, lines, startedAt: Date.now() },
    killedAt: () => killedAt,
    isOver: () => isOver,
    brokeWith: () => brokeWith,
    session: () => lines.find((line) => line.say === "session")?.id ?? null,
    async hasSaid(count) {
      await new Promise<void>((resolve) => {
        const look = () => {
          if (lines.length < count && !isOver) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) {
        await over;
        return false;
      }
      killedAt = Date.now();
      process.kill(-pid, "SIGKILL");
      await over;
      return child.signalCode === "SIGKILL";
    },
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
      await over;
      clearTimeout(timer);
    },
  };
}
