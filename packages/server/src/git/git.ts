/**
 * Runs git, and nothing that a repository asks git to run.
 *
 *   G1. The environment is built from nothing: no system or user configuration, an empty HOME, no prompt,
 *       only the transports that we name. Hooks, monitors, helpers and signatures are off.
 *   G2. Arguments are arrays; nothing passes through a shell.
 *   G3. Every run has a deadline and an upper bound on its output. When either is met, or the caller's
 *       signal aborts, the whole process group ends: SIGTERM, so that git removes its locks, then SIGKILL.
 *   G4. Git works only in bare repositories of our own, named by GIT_DIR: never in a directory it finds.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Fault } from "../fault.ts";

export interface GitOptions {
  /** Our bare repository. Without it git runs outside any. */
  readonly directory?: string;
  readonly signal?: AbortSignal;
  /** Default 30,000. */
  readonly deadlineMs?: number;
  readonly stdin?: string | Buffer | Readable;
  /** Default 64 MiB. */
  readonly bytesMax?: number;
  /** Exit codes that are answers. Default: 0 alone. */
  readonly answers?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  /** Further `-c` settings, as `name=value`. */
  readonly settings?: readonly string[];
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
}

/** Git ended with a code that is no answer. Whoever asked gives it a fault's code, or it is a bug. */
export class GitFailure extends Error {
  override readonly name = "GitFailure";
  readonly code: number | null;
  readonly stderr: string;

  constructor(command: string, code: number | null, stderr: string) {
    super(`git ${command} ended with ${code ?? "a signal"}: ${stderr.trim().slice(0, 2_000)}`);
    this.code = code;
    this.stderr = stderr;
  }

  /** What git said, on one line. */
  get says(): string {
    const lines = this.stderr.split("\n").map((line) => line.trim());
    const said = lines.filter((line) => line !== "").slice(0, 3);
    return (said.join("; ") || "no reason given").slice(0, 400);
  }
}

export interface Git {
  /** Runs to the end. `GitFailure` on an exit code that is no answer; `timed_out`, `too_large`. */
  run(args: readonly string[], options?: GitOptions): Promise<GitAnswer>;
  /** The same, as text without the last line's end. */
  text(args: readonly string[], options?: GitOptions): Promise<string>;
  /** Feeds one run's output to another's input and returns what the second says. */
  pipe(
    from: readonly string[],
    to: readonly string[],
    options?: GitOptions & { readonly fromSettings?: readonly string[] },
  ): Promise<string>;
}

/** Longer than this no run of ours lives: a lock file older than it has no owner. */
export const deadlineMsMax = 150_000;

const settings = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.attributesFile=/dev/null",
  "core.excludesFile=/dev/null",
  "core.quotePath=false",
  "core.askPass=",
  "credential.helper=",
  "protocol.ext.allow=never",
  "transfer.fsckObjects=true",
  "submodule.recurse=false",
  "fetch.recurseSubmodules=false",
  "push.recurseSubmodules=no",
  "safe.bareRepository=explicit",
  "gc.auto=0",
  "maintenance.auto=false",
  "log.showSignature=false",
  "commit.gpgSign=false",
  "push.gpgSign=false",
  "http.lowSpeedLimit=100",
  "http.lowSpeedTime=30",
];

const passedOn = [
  "PATH",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "GIT_SSL_CAINFO",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "no_proxy",
  "NO_PROXY",
] as const;

/** `home` is a folder of ours: an empty HOME for git is made in it. */
export function createGit(home: string): Git {
  const empty = join(home, "empty");
  mkdirSync(empty, { recursive: true, mode: 0o700 });
  const environment: Record<string, string> = {
    HOME: empty,
    XDG_CONFIG_HOME: empty,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_LAZY_FETCH: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_LITERAL_PATHSPECS: "1",
    GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh",
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes -o ConnectTimeout=10",
    LC_ALL: "C",
  };
  for (const name of passedOn) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }

  function start(args: readonly string[], options: GitOptions): Running {
    const all = [...settings, ...(options.settings ?? [])].flatMap((each) => ["-c", each]);
    const child = spawn("git", [...all, ...args], {
      cwd: empty,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        ...environment,
        ...(options.directory === undefined ? {} : { GIT_DIR: options.directory }),
        ...options.env,
      },
    });
    return supervise(child, args[0] ?? "", options);
  }

  async function run(args: readonly string[], options: GitOptions = {}): Promise<GitAnswer> {
    options.signal?.throwIfAborted();
    const running = start(args, options);
    const [stdout, code] = await Promise.all([
      collect(running, options.bytesMax ?? 64 * 1_048_576),
      running.ended,
    ]);
    return { code, stdout };
  }

  return {
    run,
    async text(args, options) {
      return (await run(args, options)).stdout.toString("utf8").replace(/\n$/, "");
    },
    async pipe(from, to, { stdin, fromSettings = [], ...options } = {}) {
      options.signal?.throwIfAborted();
      const producer = start(from, {
        ...options,
        settings: [...(options.settings ?? []), ...fromSettings],
        ...(stdin === undefined ? {} : { stdin }),
      });
      const consumer = run(to, { ...options, stdin: producer.child.stdout }).catch((error) => {
        // Nobody reads what the first one writes any more: it would wait until its deadline.
        producer.end(asError(error));
        throw error;
      });
      const [answer] = await Promise.all([consumer, producer.ended]);
      return answer.stdout.toString("utf8");
    },
  };
}

interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** The exit code, when it is an answer. */
  readonly ended: Promise<number>;
  /** Ends the process group; `ended` then rejects with this. */
  end(because: Error): void;
}

const stderrBytesMax = 65_536;
const graceMs = 2_000;

function supervise(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  command: string,
  { signal, deadlineMs = 30_000, stdin, answers = [0] }: GitOptions,
): Running {
  let because: Error | null = null;
  let stderr = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    if (stderr.length < stderrBytesMax) stderr += text;
  });
  let lastResort: NodeJS.Timeout | undefined;
  const end = (reason: Error) => {
    if (because !== null) return;
    because = reason;
    killGroup(child.pid, "SIGTERM");
    lastResort = setTimeout(() => killGroup(child.pid, "SIGKILL"), graceMs);
  };
  const waitMs = Math.min(deadlineMs, deadlineMsMax);
  const timer = setTimeout(
    () =>
      end(
        new Fault(
          "timed_out",
          `git ${command} did not end within ${waitMs / 1_000} s: it was stopped; try again, and look at the remote.`,
        ),
      ),
    waitMs,
  );
  const onAbort = () => end(asError(signal?.reason));
  signal?.addEventListener("abort", onAbort, { once: true });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ENOENT" ? missingGit(error) : error),
    );
    child.once("close", (code) => {
      if (because !== null) reject(because);
      else if (code === null || !answers.includes(code))
        reject(new GitFailure(command, code, stderr));
      else resolve(code);
    });
  }).finally(() => {
    clearTimeout(timer);
    clearTimeout(lastResort);
    signal?.removeEventListener("abort", onAbort);
  });
  // Git may end without reading all of its input: the exit code says whether that was an error.
  child.stdin.on("error", () => {});
  if (stdin === undefined || typeof stdin === "string" || Buffer.isBuffer(stdin)) {
    child.stdin.end(stdin ?? "");
  } else {
    stdin.pipe(child.stdin);
  }
  return { child, ended, end };
}

async function collect({ child, end }: Running, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else end(new Fault("too_large", `git said more than ${bytesMax} bytes: ask for less.`));
    });
    child.stdout.once("close", resolve);
    child.once("error", () => resolve());
  });
  return Buffer.concat(chunks);
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: the group has ended by itself, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function missingGit(cause: Error): Fault {
  return new Fault("missing_program", "There is no git on PATH: install git 2.38 or later.", {
    cause,
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
