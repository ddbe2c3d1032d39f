import { setTimeout as pause } from "node:timers/promises";
import { statusOf } from "../health-status.ts";
import { endGroup, type ProcessIdentity, startGroup } from "../process-group.ts";

export interface SandboxedService {
  readonly leader: ProcessIdentity | null;
  /** Null once it answered 200 under the health path; otherwise why it did not in time. */
  untilHealthy(path: string, withinMs: number, signal: AbortSignal): Promise<string | null>;
  /** How it ended; null while it lives. */
  ended(): string | null;
  /** The last 16 kB of what it wrote. */
  output(): string;
  end(): Promise<void>;
}

const outputCharsMax = 16_384;
const endMs = 300;

/** Starts a revision in its sandbox, in a process group of its own. It need not be healthy yet. */
export function startSandboxed(
  argv: readonly string[],
  {
    cwd,
    env,
    port,
  }: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
    readonly port: number;
  },
): SandboxedService {
  const { child, leader } = startGroup(argv, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let ended: string | null = null;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-outputCharsMax);
    });
  }
  const gone = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      ended = `it could not be started: ${error.message}`;
      resolve();
    });
    child.once("exit", (code, signal) => {
      ended = `it exited with ${signal ?? `code ${code}`}`;
      resolve();
    });
  });
  return {
    leader,
    ended: () => ended,
    output: () => output,
    async untilHealthy(path, withinMs, signal) {
      const deadline = performance.now() + withinMs;
      let last = "did not answer";
      while (performance.now() < deadline) {
        signal.throwIfAborted();
        if (ended !== null) return ended;
        const status = await statusOf(port, path, deadline - performance.now());
        if (status === 200) return null;
        if (status !== null) last = `answered ${status}`;
        await Promise.race([gone, pause(20)]);
      }
      return `${path} ${last} within ${withinMs} ms`;
    },
    async end() {
      if (leader !== null) await endGroup(leader, endMs);
      await gone;
    },
  };
}
