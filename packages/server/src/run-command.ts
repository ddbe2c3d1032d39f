import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "./fault.ts";
import { endGroup, startGroup } from "./process-group.ts";

export interface CommandRun {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** It wrote more than `floodBytesMax`, and was ended. */
  readonly flooded: boolean;
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
  /** On its standard input, which is empty without it. */
  readonly input?: string;
  /** Whoever writes more than this is ended; by default nobody is. */
  readonly floodBytesMax?: number;
}

/**
 * Runs `argv` to its end in a process group of its own, which is killed whole when it times out or floods, when
 * `signal` aborts and when its leader has ended. Only a program that cannot be started is a fault
 * (`missing_program`).
 */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions,
): Promise<CommandRun> {
  const { cwd, env, timeoutMs, outputBytesMax, signal, input } = options;
  const { floodBytesMax = Number.POSITIVE_INFINITY } = options;
  signal.throwIfAborted();
  const began = performance.now();
  const stdin = input === undefined ? "ignore" : "pipe";
  const { child, leader } = startGroup(argv, { cwd, env, stdio: [stdin, "pipe", "pipe"] });
  // One that ends before it has read all of it is judged by how it ended.
  child.stdin?.on("error", () => {}).end(input);
  const closed = new Promise((resolve) => child.once("close", resolve));
  const ended = Promise.withResolvers<{ code: number | null; by: string | null }>();
  const kill = () => {
    if (leader !== null) endGroup(leader, 0).catch(ended.reject);
  };
  const kept = { stdout: "", output: "" };
  let [written, flooded, timedOut] = [0, false, false];
  const keep = (text: string) => {
    kept.output = (kept.output + text).slice(-outputBytesMax);
    written += text.length;
    if (flooded || written <= floodBytesMax) return;
    flooded = true;
    kill();
  };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    kept.stdout = (kept.stdout + text).slice(-outputBytesMax);
    keep(text);
  });
  child.stderr?.setEncoding("utf8").on("data", keep);
  child.once("error", (cause) => ended.reject(notStarted(argv, cause)));
  child.once("exit", (code, by) => ended.resolve({ code, by }));
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutMs);
  signal.addEventListener("abort", kill, { once: true });
  child.once("close", () => clearTimeout(timer));
  child.once("close", () => signal.removeEventListener("abort", kill));
  const { code, by } = await ended.promise;
  if (leader !== null) await endGroup(leader, 0);
  // One that left the group may hold the pipes open: it is not waited for.
  await Promise.race([closed, pause(pipeMsMax, undefined, { ref: false })]);
  signal.throwIfAborted();
  const tookMs = performance.now() - began;
  return { exitCode: code, signal: by, timedOut, flooded, tookMs, ...kept };
}

const pipeMsMax = 500;

function notStarted([program = ""]: readonly string[], cause: Error): Fault {
  return new Fault(
    "missing_program",
    `${program} cannot be started (${cause.message}): install it, or correct the command in lastgood.yaml.`,
    { cause },
  );
}
