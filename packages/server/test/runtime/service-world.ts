/** A repository of a tiny service, its mirror, and a runtime over them with real processes. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { freePort } from "../../src/free-port.ts";
import { type CodeMirrors, createMirrors } from "../../src/git/open-mirrors.ts";
import type { ChangeId } from "../../src/ids.ts";
import { createRuntime, type Runtime } from "../../src/layers/runtime/create-runtime.ts";
import type { MayDeploy } from "../../src/layers/runtime/service.ts";
import type { Loop } from "../../src/loop.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

/** Answers its revision; what else it does is in `behaviour`, which each commit may change. */
const serverSource = `
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { behaviour } from "./behaviour.mjs";
const revision = process.env.REVISION;
if (behaviour.exitAtStart) { console.error("cannot start: " + behaviour.exitAtStart); process.exit(3); }
console.log("starting " + revision);
createServer(async (request, reply) => {
  if (request.url === "/exit") process.exit(7);
  if (request.url === "/env") return reply.end(JSON.stringify(process.env));
  if (request.url.startsWith("/slow")) await pause(Number(new URL(request.url, "http://x").searchParams.get("ms")));
  if (request.url === "/health") {
    if (behaviour.hangs) return;
    reply.writeHead(behaviour.health ?? 200, { "content-type": "application/json" });
    return reply.end(JSON.stringify({ revision: behaviour.claims ?? revision }));
  }
  if (request.method === "POST") {
    let text = "";
    for await (const chunk of request) text += chunk;
    return reply.end(revision + " " + text);
  }
  reply.end(revision);
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

export interface ServiceWorld extends AsyncDisposable {
  readonly folder: string;
  readonly store: TestDatabase;
  readonly mirrors: CodeMirrors;
  readonly runtime: Runtime;
  readonly port: number;
  readonly url: string;
  readonly service: "content-api";
  /** Commits files to the service's repository and fetches; returns the commit's id. */
  commit(files: Readonly<Record<string, string>>): Promise<string>;
  /** Commits what makes the service behave so. */
  behave(behaviour: Readonly<Record<string, unknown>>): Promise<string>;
  /** Starts the deploy loop; it is stopped with the world. */
  loop(): Loop;
  /** Another Lastgood over the same home and database, as after a restart. */
  again(): Promise<Runtime>;
  gate: MayDeploy;
  /** Steps whose recovery is verified. */
  readonly recovered: Set<ChangeId>;
}

export interface RuntimeParts {
  readonly runtime: Runtime;
  readonly mirrors: CodeMirrors;
  /** Tells the runtime that a branch moved. */
  tell(repository: string, tip: string): void;
}

export interface RuntimeSettings {
  readonly folder: string;
  readonly port: number;
  readonly runtime?: Readonly<Record<string, unknown>>;
  readonly probes?: Readonly<Record<string, unknown>>;
  readonly mayDeploy?: MayDeploy;
  readonly isRecovered?: (step: ChangeId) => Promise<boolean>;
}

/** The runtime as one process of Lastgood has it, over a home and a database that others may share. */
export async function openRuntime(
  db: Db,
  { folder, port, runtime: settings = {}, probes = {}, ...rest }: RuntimeSettings,
): Promise<RuntimeParts> {
  const url = join(folder, "api");
  const config = configSchema.parse({
    repositories: { api: { url } },
    services: {
      "content-api": {
        repository: "api",
        runtime: {
          adapter: "process",
          start: ["node", "server.mjs"],
          port,
          ready: "30s",
          drain: "10s",
          ...settings,
        },
        probes,
      },
    },
  });
  const home = join(folder, "home");
  const mirrors = await createMirrors({
    home,
    base: folder,
    settingsOf: async (name) => ({ name, url, branch: "main" }),
  });
  const listeners = new Set<(repository: string, tip: string) => void>();
  const runtime = createRuntime({
    isRecovered: rest.isRecovered ?? (async () => false),
    served: () => {},
    db,
    world: realWorld,
    log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
    home,
    configuration: { base: folder, current: () => config },
    mirrors,
    tips: {
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    mayDeploy: rest.mayDeploy ?? (async () => ({ ok: true })),
    environment: { ...process.env, PASSED_ON: "passed", NOT_PASSED_ON: "secret" },
  });
  return {
    runtime,
    mirrors,
    tell(repository, tip) {
      for (const listener of listeners) listener(repository, tip);
    },
  };
}

export async function startServiceWorld({
  runtime: settings = {},
  probes = {},
}: Pick<RuntimeSettings, "runtime" | "probes"> = {}): Promise<ServiceWorld> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-runtime-"));
  const repository = join(folder, "api");
  const git = async (...args: readonly string[]) =>
    (await run("git", [...identity, ...args], { cwd: repository })).stdout.trim();
  await mkdir(repository);
  await git("init", "--quiet", "--initial-branch=main");
  const port = await freePort();
  const store = await startDatabase();
  const opened = { folder, port, runtime: settings, probes };
  const parts = await openRuntime(store.db, {
    ...opened,
    mayDeploy: (...asked) => world.gate(...asked),
    isRecovered: async (step) => world.recovered.has(step),
  });
  const { mirrors, runtime, tell } = parts;
  const loops: Loop[] = [];

  async function commit(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(repository, path)), { recursive: true });
      await writeFile(join(repository, path), text);
    }
    await git("add", "--all");
    await git("commit", "--quiet", "--message", `change ${Object.keys(files).join(", ")}`);
    const mirror = await mirrors.of("api");
    const tip = await mirror.fetch(AbortSignal.timeout(60_000));
    if (tip === null) throw new Error("the branch has no tip");
    tell("api", tip);
    return tip;
  }

  const world: ServiceWorld = {
    folder,
    store,
    mirrors,
    runtime,
    port,
    url: `http://127.0.0.1:${port}`,
    service: "content-api",
    commit,
    behave: (behaviour) =>
      commit({
        "server.mjs": serverSource,
        "behaviour.mjs": `export const behaviour = ${JSON.stringify(behaviour)};\n// ${marks++}\n`,
      }),
    loop() {
      const loop = runtime.start();
      loops.push(loop);
      return loop;
    },
    again: async () => (await openRuntime(store.db, opened)).runtime,
    gate: async () => ({ ok: true }),
    recovered: new Set(),
    async [Symbol.asyncDispose]() {
      await Promise.all(loops.map((loop) => loop.stop()));
      await runtime.stopServices();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

let marks = 0;

const identity = ["-c", "user.name=Backend", "-c", "user.email=backend@agents.example"];

/** The body under a path of the service. */
export async function answerOf({ url }: ServiceWorld, path = "/"): Promise<string> {
  const answer = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) });
  return await answer.text();
}

/** Resolves when the service answers from this revision and the ledger knows it. */
export async function untilServes(world: ServiceWorld, revision: string): Promise<void> {
  await until(
    `${revision} to be served`,
    async () => {
      if ((await answerOf(world).catch(() => "")) !== revision) return null;
      const rows = await world.store.db`
      select 1 from service_records where served = ${revision} and intent is null`;
      return rows.length > 0 ? true : null;
    },
    60_000,
  );
}
