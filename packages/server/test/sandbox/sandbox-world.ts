/** A repository of a service with a database, and the sandboxes that start its revisions. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { configSchema } from "../../src/config/config.ts";
import { createMirrors } from "../../src/git/open-mirrors.ts";
import type { CheckRun } from "../../src/sandbox/sandbox.ts";
import type { SandboxServer } from "../../src/sandbox/sandbox-server.ts";
import { createSandboxes, type SandboxRoom } from "../../src/sandbox/sandboxes.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase, type TestDatabase } from "../support/database.ts";

const run = promisify(execFile);
const driver = import.meta.resolve("postgres");

/** Serves the number of articles of an author, the plan of that query, and its own environment. */
const server = `
import { createServer } from "node:http";
import postgres from "${driver}";
const sql = postgres(process.env.DATABASE_URL, { max: 2, onnotice: () => {} });
const query = "select count(*) from articles where author = 7";
createServer(async (request, reply) => {
  if (request.url === "/env") return reply.end(JSON.stringify(process.env));
  if (request.url === "/plan") {
    const rows = await sql.unsafe("explain " + query);
    return reply.end(rows.map((row) => row["QUERY PLAN"]).join("\\n"));
  }
  reply.end("ok");
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

/** Red when the query cannot use an index. */
export const indexCheck = `
const plan = await (await fetch(process.env.SERVICE_URL + "/plan")).text();
console.log(plan);
process.exit(/Index/.test(plan) ? 0 : 1);
`;

export const schema = `
create table articles (id bigint primary key, author int not null, body text not null);
create index articles_author on articles (author);
`;

export const fixture = (rows: number) => `
insert into articles select g, g % 1000, repeat(md5(g::text), 4) from generate_series(1, ${rows}) g;
`;

export interface SandboxWorld extends AsyncDisposable {
  readonly folder: string;
  readonly store: TestDatabase;
  readonly sandboxes: SandboxRoom;
  /** Commits files over those of the commit before; returns its id. */
  commit(files: Readonly<Record<string, string>>): Promise<string>;
  /** Opens, checks once, and disposes. */
  checkOnce(revision: string): Promise<CheckRun>;
  /** Names of sandbox databases and roles on the server. */
  leftovers(): Promise<readonly string[]>;
}

export async function startSandboxWorld({
  rows = 1_000,
  sandbox = {},
  schema: declared = "none",
}: {
  rows?: number;
  sandbox?: Readonly<Record<string, unknown>>;
  schema?: "none" | "declarative";
} = {}): Promise<SandboxWorld> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-sandboxes-"));
  const repository = join(folder, "api");
  await mkdir(repository);
  const git = async (...args: readonly string[]) =>
    (await run("git", ["-c", "user.name=B", "-c", "user.email=b@x", ...args], { cwd: repository }))
      .stdout;
  await git("init", "--quiet", "--initial-branch=main");
  const store = await startDatabase();
  const { sandboxes, mirrors } = await openSandboxes(folder, store.url, sandbox, declared);
  const before = await named(store);

  async function commit(files: Readonly<Record<string, string>>): Promise<string> {
    for (const [path, text] of Object.entries(files)) await writeFile(join(repository, path), text);
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "--message", "change");
    const tip = await (await mirrors.of("api")).fetch(AbortSignal.timeout(60_000));
    if (tip === null) throw new Error("the branch has no tip");
    return tip;
  }

  await commit({
    "server.mjs": server,
    "check.mjs": indexCheck,
    "schema.sql": schema,
    "fixture.sql": fixture(rows),
  });
  return {
    folder,
    store,
    sandboxes,
    commit,
    async checkOnce(revision) {
      const signal = AbortSignal.timeout(150_000);
      await using opened = await sandboxes.open("content-api", revision, signal);
      return await opened.check(signal);
    },
    leftovers: async () => (await named(store)).filter((name) => !before.includes(name)),
    async [Symbol.asyncDispose]() {
      await sandboxes.close();
      for (const name of await named(store, "lgt_")) {
        if (before.includes(name)) continue;
        await store.db.unsafe(`alter database ${name} with is_template false`);
        await store.db.unsafe(`drop database ${name} with (force)`);
        await store.db.unsafe(`drop role ${name}`);
      }
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The sandboxes of a folder, as a server over it opens them. */
export async function openSandboxes(
  folder: string,
  adminUrl: string,
  sandbox: Readonly<Record<string, unknown>>,
  declared: "none" | "declarative" = "none",
  server: SandboxServer = { url: async () => adminUrl, stop: async () => {} },
) {
  const config = configSchema.parse({
    repositories: { api: { url: join(folder, "api") } },
    services: {
      "content-api": {
        repository: "api",
        schema: declared,
        sandbox: {
          schema: "schema.sql",
          fixture: "fixture.sql",
          start: ["node", "server.mjs"],
          check: ["node", "check.mjs"],
          timeout: "60s",
          ...sandbox,
        },
      },
    },
  });
  const mirrors = await createMirrors({
    home: join(folder, "home"),
    base: folder,
    settingsOf: async (name) => ({ name, url: join(folder, "api"), branch: "main" }),
  });
  const sandboxes = createSandboxes({
    world: realWorld,
    configuration: { base: folder, current: () => config },
    mirrors,
    server,
    folder: join(folder, "home/sandboxes"),
    environment: { ...process.env, PRODUCTION_SECRET: "secret" },
  });
  return { sandboxes, mirrors };
}

async function named({ db }: TestDatabase, prefix = "lgs_"): Promise<readonly string[]> {
  const rows = await db<{ name: string }[]>`
    select datname as name from pg_database where starts_with(datname, ${prefix})
    union select rolname from pg_roles where starts_with(rolname, ${prefix})`;
  return rows.map((row) => row.name);
}
