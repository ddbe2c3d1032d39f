/** `lastgood agent run` as a real process, with what it says and what its program prints. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { RunEvent } from "../../src/agent-run/run-events.ts";
import { until } from "../support/until.ts";

export const bin = resolve(import.meta.dirname, "../../bin/lastgood.js");

export interface Wrapped {
  readonly pid: number;
  readonly events: readonly RunEvent[];
  /** What the program printed. */
  readonly out: string;
  /** All that was said on stderr, for a failure to show. */
  readonly err: string;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
  /** The `nth` event of that name, waited for. */
  event<Name extends RunEvent["event"]>(
    name: Name,
    nth?: number,
  ): Promise<Extract<RunEvent, { event: Name }>>;
}

export interface Machine extends AsyncDisposable {
  readonly home: string;
  readonly folder: string;
  /** `args`: of `agent run`, with the program after `--`. */
  run(
    connection: { readonly url: string; readonly token: string },
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Wrapped;
}

/** A home and a work folder of its own. Whatever still runs at the end is killed. */
export async function startMachine(): Promise<Machine> {
  const root = await mkdtemp(join(tmpdir(), "lastgood-agent-run-"));
  const home = join(root, "home");
  const running = new Set<Wrapped>();
  return {
    home,
    folder: root,
    run({ url, token }, args, environment = {}) {
      const child = spawn(process.execPath, [bin, "--json", "agent", "run", ...args], {
        cwd: root,
        env: {
          ...process.env,
          LASTGOOD_URL: url,
          LASTGOOD_TOKEN: token,
          LASTGOOD_HOME: home,
          ...environment,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const said = { out: "", err: "" };
      child.stdout.on("data", (chunk: Buffer) => {
        said.out += chunk.toString();
      });
      child.stderr.on("data", (chunk: Buffer) => {
        said.err += chunk.toString();
      });
      const wrapped: Wrapped = {
        pid: child.pid ?? -1,
        get events() {
          return eventsIn(said.err);
        },
        get out() {
          return said.out;
        },
        get err() {
          return said.err;
        },
        ended: once(child, "exit").then(([code, signal]) => ({
          code: code as number | null,
          signal: signal as string | null,
        })),
        kill: (signal) => void child.kill(signal),
        async event(name, nth = 1) {
          return await until(
            `${name} of ${args.join(" ")}`,
            async () => {
              const found = eventsIn(said.err).filter((each) => each.event === name)[nth - 1];
              if (found === undefined && child.exitCode !== null) {
                throw new Error(`it ended: ${said.err}`);
              }
              return (found as Extract<RunEvent, { event: typeof name }> | undefined) ?? null;
            },
            30_000,
          );
        },
      };
      running.add(wrapped);
      return wrapped;
    },
    async [Symbol.asyncDispose]() {
      for (const { kill, ended, events } of running) {
        kill("SIGKILL");
        await ended;
        for (const event of events) if (event.event === "began") killGroup(event.pid);
      }
      await rm(root, { recursive: true, force: true });
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

function eventsIn(text: string): readonly RunEvent[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith('{"event":'))
    .map((line) => JSON.parse(line) as RunEvent);
}
