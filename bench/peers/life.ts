/** A worker as a process in a group of its own: started, listened to, and killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Briefing } from "./briefing.ts";
import { type Line, parseLine, preciseNow } from "./said.ts";

export interface Life {
  readonly startedAt: number;
  readonly lines: readonly Line[];
  /** When SIGKILL was sent, in milliseconds of the epoch; null while nobody did. */
  killedAt(): number | null;
  /** Resolves once it has said that many lines of a kind. Throws where it ends before, or takes too long. */
  hasSaid(say: Line["say"], count: number): Promise<void>;
  /** Resolves as soon as it is gone; what it said last may still be read after that. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL where that is not enough. Resolves when it is gone and all that it said was read. */
  stop(): Promise<void>;
  /** Resolves when it has done what it was asked, and ended by itself. Throws where it failed. */
  ended(): Promise<void>;
}

const patienceMs = 60_000;

export function startLife(worker: string, briefing: Briefing): Life {
  const startedAt = preciseNow();
  // Without conditions: our SDK is the built one, as the peers' packages are.
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, `${worker}-worker.ts`)],
    {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH ?? "", PEERS_WORKER: JSON.stringify(briefing) },
    },
  );
  return listenTo(child, worker, startedAt);
}

function listenTo(child: ChildProcess, worker: string, startedAt: number): Life {
  const { pid = -1, stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("a worker without pipes");
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  let killedAt: number | null = null;
  let isClosed = false;
  let complaint = "";
  const look = () => {
    for (const each of waiting) each();
  };
  stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-4_000);
  });
  createInterface({ input: stdout }).on("line", (text) => {
    const line = parseLine(text);
    if (line !== null) lines.push(line);
    look();
  });
  const exited = once(child, "exit");
  const closed = once(child, "close").then(() => {
    isClosed = true;
    look();
  });
  const failure = (what: string) =>
    new Error(`the worker of ${worker} ${what} (${child.exitCode ?? "no code"}): ${complaint}`);

  return {
    ...{ startedAt, lines, killedAt: () => killedAt },
    async hasSaid(say, count) {
      await new Promise<void>((resolve, reject) => {
        const end = (act: () => void) => {
          clearTimeout(timer);
          waiting.delete(check);
          act();
        };
        const check = () => {
          const said = lines.filter((line) => line.say === say).length;
          if (said >= count) end(resolve);
          else if (isClosed) end(() => reject(failure(`ended before "${say}"`)));
        };
        const timer = setTimeout(() => {
          end(() => reject(failure(`took too long to say "${say}"`)));
        }, patienceMs);
        waiting.add(check);
        check();
      });
    },
    async kill() {
      killedAt = preciseNow();
      process.kill(-pid, "SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
      await closed;
      clearTimeout(timer);
    },
    async ended() {
      const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
      await closed;
      clearTimeout(timer);
      if (child.exitCode !== 0) throw failure("failed");
    },
  };
}
