/**
 * Serves revisions by commands that the user gives: what production already has, docker compose,
 * kubectl, systemd, flyctl. Each verb is an argv, run without a shell, bounded in time and output.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { CommandRuntimeConfig } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import { type CommandRun, runCommand } from "../../run-command.ts";
import type { Reading, RuntimeAdapter, SetOutcome } from "./service.ts";

export interface CommandAdapterDeps {
  readonly service: string;
  readonly config: CommandRuntimeConfig;
  /** The folder of lastgood.yaml: commands run there. */
  readonly base: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const outputBytesMax = 16_384;
const settleMs = 250;
/** What only Lastgood itself may know. */
const withheld = new Set(["DATABASE_URL", "LASTGOOD_TOKEN"]);

export function createCommandAdapter(deps: CommandAdapterDeps): RuntimeAdapter {
  const { service, config, base, environment } = deps;
  const inherited = Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !withheld.has(entry[0]),
    ),
  );

  async function run(verb: Verb, revision: string | null, signal: AbortSignal) {
    const argv = config[verb];
    if (argv === undefined) throw new Error(`${service} declares no ${verb}`);
    const env = {
      ...inherited,
      SERVICE: service,
      ...(revision === null ? {} : { REVISION: revision }),
    };
    return await runCommand(argv, {
      cwd: base,
      env,
      timeoutMs: config.timeout,
      outputBytesMax,
      signal,
    });
  }

  async function readRevision(signal: AbortSignal): Promise<string | null> {
    const done = await run("read", null, signal);
    const failed = failureOf("read", done, config.timeout);
    if (failed !== null) {
      throw new Fault("command_failed", `${service}: ${failed}: ${done.output.trim()}`);
    }
    const text = done.stdout.trim();
    if (text === "") return null;
    if (!/^[\w./:@+-]{1,200}$/.test(text)) {
      throw new Fault(
        "command_failed",
        `${service}: its \`read\` must print the revision and nothing else, and printed "${text.slice(0, 200)}".`,
      );
    }
    return text;
  }

  async function health(signal: AbortSignal): Promise<string | null> {
    if (config.health === undefined) return null;
    const done = await run("health", null, signal);
    const failed = failureOf("health", done, config.timeout);
    return failed === null ? null : `${failed}: ${done.output.trim().slice(-500)}`;
  }

  /** Exit 0 is a claim. The outcome is what `read` and `health` say afterwards. */
  async function untilServed(revision: string, signal: AbortSignal): Promise<string | null> {
    const deadline = performance.now() + config.timeout;
    for (;;) {
      const served = await readRevision(signal);
      const wrong =
        served === revision
          ? await health(signal)
          : `\`set\` exited with 0, and \`read\` prints ${served ?? "nothing"}`;
      if (wrong === null || performance.now() + settleMs >= deadline) return wrong;
      await pause(settleMs, undefined, { signal });
    }
  }

  async function set(revision: string, signal: AbortSignal): Promise<SetOutcome> {
    const startedAt = new Date();
    if ((await readRevision(signal)) === revision) {
      return { outcome: "served", startedAt, since: startedAt };
    }
    for (const verb of config.drain === undefined ? setOnly : drainThenSet) {
      const done = await run(verb, revision, signal);
      const failed = failureOf(verb, done, config.timeout);
      if (failed !== null) return { outcome: "failed", because: failed, output: done.output };
    }
    const because = await untilServed(revision, signal);
    return because === null
      ? { outcome: "served", startedAt, since: new Date() }
      : { outcome: "failed", because, output: "" };
  }

  return {
    service,
    kind: "command",
    settings: null,
    losses: [],
    gaps: [
      `${service}: its commands decide whether requests are lost during the switch; Lastgood cannot see it`,
      ...(config.health === undefined
        ? [`${service} declares no \`health\` command: only its revision is read back`]
        : []),
    ],
    async read(signal): Promise<Reading> {
      const revision = await readRevision(signal);
      return {
        revision,
        settings: null,
        since: null,
        state: revision === null ? "not-serving" : "serving",
        pid: null,
        restarts: 0,
        exitedAt: null,
        retiring: [],
        trouble: null,
      };
    },
    set,
    health,
    drift: async () => null,
    logs: async () => null,
    async stop() {
      throw new Fault(
        "state_forbids",
        `${service} is run by your own commands: stop it with them; Lastgood only sets its revision.`,
      );
    },
  };
}

type Verb = "read" | "set" | "health" | "drain";
const setOnly = ["set"] as const;
const drainThenSet = ["drain", "set"] as const;

function failureOf(verb: Verb, done: CommandRun, timeoutMs: number): string | null {
  if (done.timedOut) return `\`${verb}\` took longer than ${timeoutMs} ms and was killed`;
  if (done.exitCode === 0) return null;
  return `\`${verb}\` exited with ${done.signal ?? `code ${done.exitCode}`}`;
}
