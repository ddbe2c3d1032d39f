/** A remote, somebody's clone of it, and the code room over a database: real git, real PostgreSQL. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { type Config, configSchema } from "../../src/config/config.ts";
import type { ChangeId, IncidentId } from "../../src/ids.ts";
import { type Code, createCode } from "../../src/layers/code/code.ts";
import type { HeldBack } from "../../src/layers/code/under-held.ts";
import type { Plan, Step, Undo } from "../../src/layers/layer.ts";
import type { Change } from "../../src/ledger/change.ts";
import { findChanges } from "../../src/ledger/ledger-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";

export type Files = Readonly<Record<string, string | null>>;

/** A bare remote `<folder>/<name>.git` and a clone that commits to it. */
export interface Origin {
  readonly url: string;
  readonly clone: string;
  git(...args: readonly string[]): string;
  /** Writes (null removes) and commits on the current branch; returns the commit's id. */
  commit(files: Files, message: string, email?: string): string;
  push(...args: readonly string[]): void;
  /** The remote's own branch. */
  tip(branch?: string): string;
  /** A file of the remote's branch; null where there is none. */
  file(path: string, branch?: string): string | null;
}

export function createOrigin(folder: string, name = "api"): Origin {
  const url = join(folder, `${name}.git`);
  const clone = join(folder, `${name}-clone`);
  const init = ["init", "--quiet", "--template=", "--initial-branch=main"];
  run(folder, ...init, "--bare", url);
  run(folder, ...init, clone);
  const git = (...args: readonly string[]) => run(clone, ...args);
  git("remote", "add", "origin", url);
  return {
    url,
    clone,
    git,
    commit(files, message, email = "backend@fleet.test") {
      for (const [path, content] of Object.entries(files)) {
        const file = join(clone, path);
        if (content === null) rmSync(file, { recursive: true });
        else {
          mkdirSync(dirname(file), { recursive: true });
          writeFileSync(file, content);
        }
      }
      git("add", "--all");
      const author = ["-c", `user.email=${email}`, "-c", `user.name=${email.split("@")[0]}`];
      git(...author, "commit", "--quiet", "--allow-empty", "-m", message);
      return git("rev-parse", "HEAD");
    },
    push: (...args) => void git("push", "--quiet", "origin", "HEAD:main", ...args),
    tip: (branch = "main") => run(url, "rev-parse", `refs/heads/${branch}`),
    file(path, branch = "main") {
      try {
        return run(url, "show", `refs/heads/${branch}:${path}`);
      } catch {
        return null;
      }
    },
  };
}

export function run(cwd: string, ...args: readonly string[]): string {
  return execFileSync("git", [...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_AUTHOR_NAME: "somebody",
      GIT_COMMITTER_NAME: "somebody",
      GIT_COMMITTER_EMAIL: "somebody@fleet.test",
    },
  }).trimEnd();
}

export interface CodeWorld extends AsyncDisposable {
  readonly folder: string;
  readonly db: Db;
  readonly databaseUrl: string;
  readonly config: Config;
  readonly code: Code;
  readonly origin: Origin;
  /** Looks at the repository, and returns all its changes, oldest first. */
  look(repository?: string): Promise<readonly Change[]>;
  /** The change that brought a commit. */
  changeOf(commit: string): Promise<Change>;
  plan(commits: readonly string[], undo?: Partial<Undo>): Promise<Plan<"code">>;
  /** The only step of a plan. */
  stepOf(plan: Plan<"code">): Step<"code">;
  apply(step: Step<"code">, changeId?: ChangeId): Promise<ChangeId>;
  /** What must not go live yet: a test says; by default nothing. */
  heldBack: HeldBack;
  /** Another code room over the same database, with a home of its own: another machine. */
  another(): Promise<Code>;
}

/** The runner bounds each test: a deadline for all of a file together would be the machine's. */
export const { signal } = new AbortController();

/** `config` is what lastgood.yaml would hold, given the remote's url. Repositories poll rarely here. */
export async function startCodeWorld(
  config: (url: string) => unknown = (url) => ({ repositories: { api: { url } } }),
): Promise<CodeWorld> {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-code-"));
  const store = await startDatabase();
  const origin = createOrigin(folder);
  const parsed = configSchema.parse(config(origin.url));
  const rarely = Object.entries(parsed.repositories).map(([name, repository]) => [
    name,
    { ...repository, poll: 3_600_000 },
  ]);
  const current: Config = { ...parsed, repositories: Object.fromEntries(rarely) };
  const open = (home: string) =>
    createCode({
      db: store.db,
      world: realWorld,
      log: pino({ level: "silent" }),
      home: join(folder, home),
      configuration: { base: folder, current: () => current },
      heldBack: (...asked) => world.heldBack(...asked),
    });
  const code = await open("home");
  const opened = [code];
  const changes = (repository: string) =>
    findChanges(store.db, { layer: "code", target: repository, limit: 10_000 });
  const changeOf = async (commit: string) => {
    const found = (await changes("api")).find((change) => change.to === commit);
    if (found === undefined) throw new Error(`no change brought ${commit}`);
    return found;
  };
  const world: CodeWorld = {
    heldBack: async () => [],
    folder,
    db: store.db,
    databaseUrl: store.url,
    config: current,
    code,
    origin,
    changeOf,
    async look(repository = "api") {
      await code.watch.look(repository, signal);
      return (await changes(repository)).toReversed();
    },
    async plan(commits, undo = {}) {
      await code.watch.look("api", signal);
      const found = await Promise.all(commits.map(changeOf));
      return await code.layer.plan(
        {
          changes: found.map(({ id }) => id),
          agents: [],
          services: [],
          since: new Date("2026-09-21T08:00:00Z"),
          incident: "inc_1" as IncidentId,
          because: "latency rose to 2 s",
          ...undo,
        },
        signal,
      );
    },
    stepOf(plan) {
      const [step] = plan.steps;
      if (step === undefined || plan.steps.length > 1) {
        throw new Error(`not one step: ${JSON.stringify(plan)}`);
      }
      return step;
    },
    async apply(step, changeId = newChangeId(realWorld)) {
      await code.layer.apply(step, { changeId, actor: "lastgood", reason: "put right" }, signal);
      return changeId;
    },
    async another() {
      const other = await open(`home-${opened.length}`);
      opened.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      for (const each of opened) await each.stop();
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}
