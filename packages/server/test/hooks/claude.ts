/** A project with our hooks installed, and conversations of a stand-in for Claude Code in it. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type HookState, openHookStates } from "../../src/hooks/hook-state.ts";
import { lastgood } from "../support/lastgood.ts";

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
  readonly tookMs: number;
  /** What it answered, where it did. */
  readonly answer: HookOutput | null;
}

export interface HookOutput {
  readonly hookEventName: string;
  readonly additionalContext?: string;
  readonly permissionDecision?: "allow" | "deny" | "ask";
  readonly permissionDecisionReason?: string;
}

export interface Claude {
  readonly pid: number;
  /** Claude's own id of the conversation. */
  readonly id: string;
  /** Tells of an event and answers with what its hook of ours did. */
  fire(event: string, fields?: Readonly<Record<string, unknown>>): Promise<Ran>;
  /** From outside, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface Project extends AsyncDisposable {
  readonly folder: string;
  readonly home: string;
  /** `session`: as `lastgood agent run` would tell it. */
  start(options?: { readonly id?: string; readonly session?: string }): Claude;
  /** What the hooks of that conversation know of each other. */
  stateOf(claude: Claude): HookState;
}

export interface Server {
  readonly url: string;
  readonly token: string;
}

/** A git repository with our hooks in its settings: for the agent of that name, or for whom the token says. */
export async function startProject(server: Server, agent: string | null): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), "lastgood-hooks-"));
  const folder = join(root, "site");
  const home = join(root, "home");
  mkdirSync(folder);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", ...args], {
      cwd: folder,
      stdio: "pipe",
    });
  git("init", "-q", "-b", "main");
  writeFileSync(join(folder, "post.md"), "one\n");
  git("add", ".");
  git("commit", "-qm", "begin");
  const named = agent === null ? [] : ["--agent", agent];
  const args = ["--home", home, "hooks", "install", "claude-code", ...named];
  const installed = await lastgood(args, { cwd: folder });
  assert.equal(installed.code, 0, installed.err);
  const running = new Set<Claude>();
  return {
    folder,
    home,
    start({ id = randomUUID(), session } = {}) {
      const claude = startClaude(folder, id, server, session);
      running.add(claude);
      return claude;
    },
    stateOf: ({ id }) =>
      openHookStates(home, id).read() ?? assert.fail(`nothing is known of the conversation ${id}`),
    async [Symbol.asyncDispose]() {
      for (const claude of running) await claude.kill();
      // A save in the background may still write.
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}

function startClaude(folder: string, id: string, server: Server, session = ""): Claude {
  const { LASTGOOD_AGENT: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "fake-claude.ts")],
    {
      env: {
        ...{ ...env, CLAUDE_PROJECT_DIR: folder, LASTGOOD_SESSION: session },
        ...{ LASTGOOD_URL: server.url, LASTGOOD_TOKEN: server.token },
      },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const gone = once(child, "exit");
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    id,
    pid: child.pid ?? -1,
    async fire(event, fields = {}) {
      const told = {
        ...{ session_id: id, transcript_path: "/nowhere", cwd: folder, permission_mode: "default" },
        ...{ hook_event_name: event, ...fields },
      };
      child.stdin.write(`${JSON.stringify(told)}\n`);
      const { value } = await answers.next();
      const [ran] = JSON.parse(String(value)) as Omit<Ran, "answer">[];
      if (ran === undefined) throw new Error(`no hook of ours ran at ${event}`);
      const said =
        ran.out === "" ? null : (JSON.parse(ran.out) as { hookSpecificOutput: HookOutput });
      return { ...ran, answer: said?.hookSpecificOutput ?? null };
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
