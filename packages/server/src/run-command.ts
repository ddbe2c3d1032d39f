import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "./fault.ts";
import { endGroup, startGroup } from "./process-group.ts";

export interface CommandRun {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly tookMs: number;
  readonly stdout: string;
  /** Standard output and error as they came, the last of it. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly outputBytesMax: number;
  readonly signal: AbortSignal;
}

/**
 * Runs `argv` to its end in a process group of its own, which is killed whole when it times out, when
 * `signal` aborts and when its leader has ended. Only a program that cannot be started is a fault
 * (`missing_program`).
 */
export async function runCommand(
  argv: readonly string[],
  { cwd, env, timeoutMs, outputBytesMax, signal }: CommandOptions,
): Promise<CommandRun> {
  signal.throwIfAborted();
  const began = performance.now();
  const { child, leader } = startGroup(argv, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const kept = { stdout: "", output: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    kept.stdout = (kept.stdout + text).slice(-outputBytesMax);
    kept.output = (kept.output + text).slice(-outputBytesMax);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    kept.output = (kept.output + text).slice(-outputBytesMax);
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  let timedOut = false;
  const ended = new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
    child.once("error", (cause) => reject(notStarted(argv, cause)));
    child.once("exit", (code, by) => resolve({ code, by }));
    const kill = () => {
      if (leader !== null) endGroup(leader, 0).catch(reject);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    signal.addEventListener("abort", kill, { once: true });
    child.once("close", () => clearTimeout(timer));
    child.once("close", () => signal.removeEventListener("abort", kill));
  });
  const { code, by } = await ended;
  if (leader !== null) await endGroup(leader, 0);
  // One that left the group may hold the pipes open: it is not waited for.
  await Promise.race([closed, pause(pipeMsMax, undefined, { ref: false })]);
  signal.throwIfAborted();
  return { exitCode: code, signal: by, timedOut, tookMs: performance.now() - began, ...kept };
}

const pipeMsMax = 500;

function notStarted([program = ""]: readonly string[], cause: Error): Fault {
  return new Fault(
    "missing_program",
    `${program} cannot be started (${cause.message}): install it, or correct the command in lastgood.yaml.`,
    { cause },
  );
}
