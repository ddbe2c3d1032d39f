import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { readCompose } from "../../src/config/init/compose.ts";
import { initialFor, writeInitial } from "../../src/config/init/init.ts";
import { agentNameOf, looksLikeAgent } from "../../src/config/init/names.ts";
import { settingsNotDefault } from "../../src/config/settings-not-default.ts";

const run = promisify(execFile);

interface Folder extends AsyncDisposable {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** In a folder below, as an author. */
  git(below: string, author: string, ...args: readonly string[]): Promise<void>;
  commit(below: string, author: string, message: string): Promise<void>;
  init(): ReturnType<typeof initialFor>;
}

async function startFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "lastgood-folder-"));
  async function git(below: string, author: string, ...args: readonly string[]): Promise<void> {
    const [name, email] = author.split(" ");
    await run("git", ["-C", join(path, below), ...args], {
      env: {
        ...{ PATH: process.env.PATH ?? "", HOME: path, GIT_CONFIG_NOSYSTEM: "1" },
        ...{ GIT_AUTHOR_NAME: name ?? "", GIT_AUTHOR_EMAIL: email ?? "" },
        ...{ GIT_COMMITTER_NAME: name ?? "", GIT_COMMITTER_EMAIL: email ?? "" },
      },
    });
  }
  return {
    path,
    async write(files) {
      for (const [file, text] of Object.entries(files)) {
        await mkdir(dirname(join(path, file)), { recursive: true });
        await writeFile(join(path, file), text);
      }
    },
    git,
    async commit(below, author, message) {
      await git(below, author, "add", "--all");
      await git(below, author, "commit", "--quiet", "--allow-empty", `--message=${message}`);
    },
    init: () => initialFor(path, AbortSignal.timeout(60_000)),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

const contentApi = {
  "content-api/package.json": JSON.stringify({
    scripts: { start: "node src/server.js", check: "node check/check.js", test: "node --test" },
  }),
  "content-api/src/server.js":
    'import "./schema.js"; const body = { revision: process.env.REVISION };',
  "content-api/src/schema.js": 'readFile("../schema.sql")',
  "content-api/check/check.js": "",
  "content-api/schema.sql": "create table articles ();",
  "content-api/fixture.sql": "insert into articles default values;",
};

const compose = `services:
  postgres:
    image: postgres:18
    ports: ["5432:5432"]
  content-api:
    build: ./content-api
    ports: ["40209:8080"]
    depends_on: [postgres]
    environment:
      DATABASE_URL: postgres://app:hunter2@127.0.0.1:5432/app
      PORT: 8080
      API_KEY: \${API_KEY}
      LEVEL: \${LEVEL:-info}
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/health"]
      interval: 10s
      timeout: 3s
    labels:
      lastgood.owner: alice
      lastgood.probe: /articles?page=1
    x-lastgood:
      reads: ["articles/**"]
  website:
    image: shop/website:12
    depends_on: { content-api: { condition: service_healthy } }
    ports: ["127.0.0.1:8081:80/tcp"]
  marketing-agent:
    image: agents/runner
    depends_on: [content-api]
    labels: ["lastgood.agent=marketing", "lastgood.authors=marketing@agents.example", "lastgood.roles=writer, responder"]
x-lastgood:
  people: { alice: { pagerduty: ALICE_KEY } }
`;

test("a compose folder becomes its graph, with how each service runs, is probed and is rerun", async () => {
  await using folder = await startFolder();
  await folder.write({ ...contentApi, "compose.yaml": compose });
  await folder.git(".", "x x@y", "init", "--quiet", "--initial-branch=trunk", "content-api");
  await folder.commit("content-api", "Frieda frieda@example.com", "first");
  await folder.commit("content-api", "Backend backend-agent@example.com", "second");
  await folder.git("content-api", "x x@y", "clone", "--quiet", "--bare", ".", "../content-api.git");
  await folder.git("content-api", "x x@y", "remote", "add", "origin", "../content-api.git");
  const { config, text, warnings } = await folder.init();

  assert.deepEqual(warnings, []);
  assert.equal(config.mode, "watch");
  assert.deepEqual(config.repositories, {
    "content-api": { url: "./content-api.git", branch: "trunk", deliver: "push", poll: 2_000 },
  });
  const service = config.services["content-api"];
  assert.equal(service?.owner, "alice");
  assert.equal(service?.repository, "content-api");
  assert.equal(service?.customerFacing, true);
  assert.deepEqual(service?.reads, ["articles/**"]);
  assert.equal(service?.schema, "declarative");
  assert.deepEqual(service?.dependsOn, ["postgres"]);
  assert.ok(service?.runtime?.adapter === "process");
  assert.deepEqual(service.runtime.start, ["node", "src/server.js"]);
  assert.equal(service.runtime.port, 40_209);
  assert.equal(service.runtime.health, "/health");
  assert.deepEqual(service.runtime.env, {
    DATABASE_URL: "postgres://app:hunter2@127.0.0.1:5432/app",
    LEVEL: "info",
  });
  assert.deepEqual(service.runtime.envFrom, ["API_KEY"]);
  assert.deepEqual(service.probes, {
    health: { path: "/health", every: 500, timeout: 3_000, read: {}, revision: "/revision" },
    articles: { path: "/articles?page=1", every: 500, timeout: 3_000, slo: 500, read: {} },
  });
  assert.deepEqual(service.sandbox, {
    schema: "schema.sql",
    fixture: "fixture.sql",
    start: ["node", "src/server.js"],
    health: "/health",
    check: ["node", "check/check.js"],
    timeout: 30_000,
  });
  assert.equal(config.services.postgres?.customerFacing, false);
  assert.deepEqual(config.services.website?.dependsOn, ["content-api"]);
  assert.deepEqual(Object.keys(config.agents), ["marketing", "backend"]);
  assert.deepEqual(config.agents.marketing?.authors, ["marketing@agents.example"]);
  assert.deepEqual(config.agents.marketing?.roles, ["writer", "responder"]);
  assert.deepEqual(config.agents.marketing?.dependsOn, ["content-api"]);
  assert.deepEqual(config.agents.backend?.authors, ["backend-agent@example.com"]);
  assert.deepEqual(config.people, { alice: { pagerduty: "ALICE_KEY" } });
  assert.equal(config.pages.owner, "alice");
  assert.match(text, /^# yaml-language-server: \$schema=/);
  assert.match(text, /# src\/schema\.js names schema\.sql/);
});

test("the same folder gives the same file, and only mode differs after mode: auto", async () => {
  await using folder = await startFolder();
  await folder.write({ ...contentApi, "compose.yaml": compose });
  const [one, other] = [await folder.init(), await folder.init()];
  assert.equal(one.text, other.text);
  assert.deepEqual(settingsNotDefault({ ...one.config, mode: "auto" }, other.config), []);
});

test("a repository named by a label is read from its commits where no folder of it is there", async () => {
  await using folder = await startFolder();
  await folder.write(contentApi);
  await folder.git(".", "x x@y", "init", "--quiet", "--initial-branch=main", "content-api");
  await folder.commit("content-api", "Search search@agents.example", "first");
  await folder.git(
    ".",
    "x x@y",
    "clone",
    "--quiet",
    "--bare",
    "content-api",
    "repositories/api.git",
  );
  await rm(join(folder.path, "content-api"), { recursive: true });
  await folder.write({
    "compose.yml": `services:
  content-api:
    build: ./content-api
    labels: { lastgood.repository: ./repositories/api.git, lastgood.port: 9000 }
`,
  });
  const { config } = await folder.init();
  assert.equal(config.repositories.api?.url, "./repositories/api.git");
  const service = config.services["content-api"];
  assert.ok(service?.runtime?.adapter === "process");
  assert.equal(service.runtime.port, 9_000);
  assert.equal(service.schema, "declarative");
  assert.deepEqual(service.sandbox?.check, ["node", "check/check.js"]);
  assert.deepEqual(config.agents.search?.authors, ["search@agents.example"]);
});

test("without a compose file, folders that say how they start are services, in one repository or several", async () => {
  await using folder = await startFolder();
  await folder.write({
    "api/package.json": JSON.stringify({
      scripts: { start: "tsx server.ts | pino", test: "vitest" },
      dependencies: { fastify: "5" },
    }),
    "api/migrations/001.sql": "create table t ();",
    "library/index.js": "",
  });
  await folder.git(".", "x x@y", "init", "--quiet", "--initial-branch=main");
  await folder.commit(".", "Frieda frieda@example.com", "first");
  const { config, text } = await folder.init();
  const [name] = Object.keys(config.repositories);
  assert.deepEqual(config.repositories[name ?? ""], {
    url: ".",
    branch: "main",
    deliver: "branch",
    poll: 2_000,
    migrations: { paths: ["migrations/**"], table: "schema_migrations" },
  });
  assert.equal(config.services.api?.runtime, undefined, "its port is not known");
  assert.deepEqual(Object.keys(config.people), ["frieda"]);
  assert.match(text, /how it starts was not found/);
});

test("scripts that need a shell, a prefix or packages start through npm", async () => {
  await using folder = await startFolder();
  await folder.write({
    "services/api/package.json": JSON.stringify({
      scripts: { start: "node a.js && node b.js", test: "node --test" },
      dependencies: { fastify: "5" },
    }),
    "services/api/package-lock.json": "{}",
    "compose.yaml": "services: { api: { build: services/api, ports: ['80:80'] } }",
  });
  await folder.git(".", "x x@y", "init", "--quiet", "--initial-branch=main");
  await folder.commit(".", "Frieda frieda@example.com", "first");
  const { runtime, sandbox } = (await folder.init()).config.services.api ?? {};
  assert.ok(runtime?.adapter === "process");
  assert.deepEqual(runtime.start, [
    "sh",
    "-c",
    "npm ci --silent --no-audit --no-fund --prefix services/api && exec npm --prefix services/api run --silent start",
  ]);
  assert.equal(runtime.ready, 120_000);
  assert.deepEqual(sandbox?.check, ["npm", "--prefix", "services/api", "run", "--silent", "test"]);
});

test("passwords in remotes are left out, and named as what to bring", async () => {
  await using folder = await startFolder();
  await folder.write(contentApi);
  await folder.git(".", "x x@y", "init", "--quiet", "content-api");
  const url = "https://bot:hunter2@git.example/content-api.git";
  await folder.git("content-api", "x x@y", "remote", "add", "origin", url);
  const { config, text } = await folder.init();
  assert.equal(config.repositories["content-api"]?.url, "https://git.example/content-api.git");
  assert.equal(config.repositories["content-api"]?.credentials, "CONTENT_API_TOKEN");
  assert.ok(!text.includes("hunter2"));
});

test("a hostile repository runs nothing of its own, and links lead nowhere", async () => {
  await using folder = await startFolder();
  await folder.write({ ...contentApi, "compose.yaml": compose, "secret.sql": "hunter2" });
  await folder.git(".", "x x@y", "init", "--quiet", "--initial-branch=main", "content-api");
  await folder.commit("content-api", "Frieda frieda@example.com", "first");
  const marker = join(folder.path, "ran");
  await writeFile(join(folder.path, "evil"), `#!/bin/sh\ntouch ${marker}\ncat\n`, { mode: 0o755 });
  for (const setting of [
    ...["core.fsmonitor", "core.sshCommand", "core.pager", "gpg.program", "diff.external"],
    ...["uploadpack.packObjectsHook", "core.alternateRefsCommand", "filter.x.clean"],
  ]) {
    await folder.git("content-api", "x x@y", "config", setting, join(folder.path, "evil"));
  }
  await folder.git("content-api", "x x@y", "config", "log.showSignature", "true");
  await rm(join(folder.path, "content-api/package.json"));
  await symlink("/etc/passwd", join(folder.path, "content-api/package.json"));
  await rm(join(folder.path, "content-api/schema.sql"));
  await symlink("../secret.sql", join(folder.path, "content-api/schema.sql"));
  const { config } = await folder.init();
  assert.equal(config.repositories["content-api"]?.branch, "main");
  assert.equal(config.services["content-api"]?.runtime, undefined);
  assert.equal(config.services["content-api"]?.schema, "none");
  await assert.rejects(stat(marker), { code: "ENOENT" });
});

test("a file that is there stays, and one with a copied secret is for its owner alone", async () => {
  await using folder = await startFolder();
  await folder.write({ ...contentApi, "compose.yaml": compose });
  await folder.git(".", "x x@y", "init", "--quiet", "content-api");
  const initial = await folder.init();
  await folder.write({ "lastgood.yaml": "mode: auto\n" });
  await assert.rejects(writeInitial(initial, false), {
    code: "already_exists",
    message: /--force/,
  });
  assert.equal(await readFile(initial.file, "utf8"), "mode: auto\n");
  await rm(initial.file);
  await writeInitial(initial, false);
  assert.equal((await stat(initial.file)).mode & 0o777, 0o600);
  await writeInitial(initial, true);
  assert.equal(await readFile(initial.file, "utf8"), initial.text);
});

test("labels that contradict are refused with what they would give", async () => {
  await using folder = await startFolder();
  await folder.write({
    "compose.yaml":
      "services: { api: { image: x, x-lastgood: { ownr: a, dependsOn: [nothing] } } }",
  });
  await assert.rejects(folder.init(), {
    code: "bad_configuration",
    message: /services\.api\.ownr/,
  });
  await folder.write({ "compose.yaml": "services: [1]" });
  await assert.rejects(folder.init(), { code: "bad_input", message: /docker compose config/ });
  await assert.rejects(initialFor("/nowhere", AbortSignal.timeout(1_000)), { code: "not_found" });
});

test("an empty folder gives a small file that is good", async () => {
  await using folder = await startFolder();
  const { config, text } = await folder.init();
  assert.equal(config.mode, "watch");
  assert.match(text, /mode: watch/);
});

test("ports, healthchecks and pairs are read in every form that compose takes", () => {
  const read = (service: string) =>
    readCompose("compose.yaml", `services: { a: ${service} }`).services[0];
  for (const [ports, host] of [
    ['["8080:80"]', 8080],
    ['["127.0.0.1:8080:80"]', 8080],
    ['["[::1]:8080:80/tcp"]', 8080],
    ["[40209:40209]", 40209],
    ["[{ published: 8080, target: 80 }]", 8080],
    ['["80"]', null],
    ['["53:53/udp"]', null],
    ['["8080-8081:80-81"]', null],
    ['["\u0024{PORT:-8080}:80"]', 8080],
    ['["\u0024{PORT}:80"]', null],
  ] as const) {
    assert.equal(read(`{ ports: ${ports} }`)?.port, host, ports);
  }
  const health = (check: string) => read(`{ healthcheck: ${check} }`)?.health;
  assert.equal(health('{ test: "curl -f http://localhost:80/up?x=1 || exit 1" }')?.path, "/up?x=1");
  assert.equal(health("{ test: [CMD, pg_isready], interval: 1m30s }")?.everyMs, 90_000);
  assert.equal(health("{ test: [NONE] }"), null);
  assert.equal(health("{ disable: true, test: curl http://x/ }"), null);
  assert.deepEqual(read("{ environment: [A=1, B, 'C=x=y'] }")?.environment, {
    A: "1",
    B: null,
    C: "x=y",
  });
});

test("authors that are programs are told from people, and named by their work", () => {
  for (const [email, name, agent] of [
    ["backend@agents.example", "Backend", "backend"],
    ["backend-agent@example.com", "B", "backend"],
    ["agent+backend@example.com", "B", "backend"],
    ["49699333+dependabot[bot]@users.noreply.github.com", "dependabot[bot]", "dependabot"],
    ["agent@example.com", "Marketing Agent", "marketing"],
  ] as const) {
    assert.equal(looksLikeAgent({ email, name }), true, email);
    assert.equal(agentNameOf({ email, name }), agent, email);
  }
  for (const email of ["frieda@example.com", "abbott@example.com", "agenta@example.com"]) {
    assert.equal(looksLikeAgent({ email, name: "Frieda Abbott" }), false, email);
  }
});
