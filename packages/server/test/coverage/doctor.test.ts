import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { recordBackup, sayAlive } from "../../src/coverage/coverage-store.ts";
import { savePostMortem } from "../../src/learning/learning-store.ts";
import { writePostMortem } from "../../src/learning/post-mortem.ts";
import { incidentOf, recoveryOf } from "../skills/records.ts";
import { startServer, type TestServer } from "../support/server.ts";

const program = join(import.meta.dirname, "../../bin/lastgood.js");

async function run(server: TestServer, ...args: readonly string[]) {
  const token = await server.tokenAs("admin");
  const child = spawn(
    process.execPath,
    ["--conditions=development", program, ...args, "--url", server.lastgood.url, "--token", token],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

test("doctor of a new installation names what is missing, and exits 0 unless it is strict", async () => {
  await using server = await startServer({
    services: { "content-api": { dependsOn: ["postgres"] }, postgres: {} },
    agents: { backend: {} },
  });
  const { findings, services } = await (await server.clientAs("viewer")).coverage();
  const codes = new Set(findings.map(({ code }) => code));
  for (const code of [
    "no-configuration",
    "no-mode-auto",
    "nobody-to-call",
    "never-backed-up",
    "never-drilled",
    "agent-without-token",
  ]) {
    assert.ok(codes.has(code), `${code} is not among ${[...codes].join(", ")}`);
  }
  assert.ok(!codes.has("not-looked-at"), JSON.stringify(findings));
  assert.deepEqual(
    services.map(({ name }) => name),
    ["content-api", "postgres"],
  );
  const [usual, strict] = await Promise.all([
    run(server, "doctor"),
    run(server, "doctor", "--strict", "--json"),
  ]);
  assert.equal(usual.code, 0, usual.err);
  assert.match(usual.out, /unprotected +people: nobody can be called/);
  assert.match(usual.out, /lastgood drill run september/);
  assert.equal(strict.code, 5);
  const printed = JSON.parse(strict.out) as { findings: unknown[] };
  assert.ok(printed.findings.length > 5);
});

test("a second server on the same database is counted, and the embedded log says that it is for one", async () => {
  await using server = await startServer();
  const codes = async () => (await server.client.coverage()).findings.map(({ code }) => code);
  assert.ok(!(await codes()).includes("embedded-log-shared"));
  await sayAlive(server.lastgood.db, "another");
  assert.ok((await codes()).includes("embedded-log-shared"));
});

test("a drill and a backup are counted from when they ended, and a failed drill says so", async () => {
  await using server = await startServer();
  const about = async (subject: string) =>
    (await server.client.coverage()).findings
      .filter((each) => each.about === subject)
      .map(({ code }) => code);
  assert.deepEqual(await about("drills"), ["never-drilled"]);
  await server.client.recordDrill({ drill: "september", ok: false });
  assert.deepEqual(await about("drills"), ["drill-failed"]);
  await server.client.recordDrill({ drill: "september", ok: true });
  assert.deepEqual(await about("drills"), []);
  const viewer = await server.clientAs("viewer");
  await assert.rejects(viewer.recordDrill({ drill: "september", ok: true }), { code: "forbidden" });
  assert.ok((await about("store")).includes("never-backed-up"));
  await recordBackup(server.lastgood.db, new Date());
  assert.ok(!(await about("store")).includes("never-backed-up"));
});

test("a page that nobody can be called for is a finding until it is resolved", async () => {
  await using server = await startServer();
  await server.lastgood.db`
    insert into pages (incident, severity, summary, state, opened_at)
    values ('inc_1', 'high', 'content-api is slow', 'nobody-to-call', now())`;
  const found = async () =>
    (await server.client.coverage()).findings.find(({ code }) => code === "page-for-nobody");
  assert.equal((await found())?.about, "incident inc_1");
  await server.lastgood.db`update pages set state = 'resolved'`;
  assert.equal(await found(), undefined);
});

test("post-mortems that leave something open after a week are listed, until somebody says it", async () => {
  await using server = await startServer();
  const { client } = server;
  const { db } = server.lastgood;
  const write = async (id: string, daysAgo: number) => {
    const writtenAt = new Date(Date.now() - daysAgo * 86_400_000);
    const [incident, recovery] = [incidentOf(id), recoveryOf(id)];
    const records = { incident, recovery, check: null, passage: null, draft: false, writtenAt };
    await savePostMortem(db, writePostMortem(records), "", writtenAt);
  };
  await write("inc_old", 8);
  await write("inc_new", 6);
  const found = async () =>
    (await client.coverage()).findings.find(({ code }) => code === "post-mortem-open");
  const finding = await found();
  assert.equal(finding?.about, "incident inc_old");
  assert.match(finding?.says ?? "", /^1 post-mortem.* inc_old/);
  const answer = [
    "incident",
    "answer",
    "inc_old",
    "--live",
    "too few",
    "--checks",
    "none",
  ] as const;
  const open = await run(server, ...answer);
  assert.match(
    open.out,
    /^The gap of inc_old is unnamed: .*\nStill to be answered: .*\(--change\)/,
  );
  await run(server, ...answer.slice(0, 3), "--change", "right, but nobody was told");
  assert.equal((await found())?.about, "incident inc_old", "its gap is unnamed");
  const named = await run(server, "incident", "gap", "inc_old", "review", "nobody looked");
  assert.match(named.out, /^The gap of inc_old is review: nobody looked\nSee it with: /);
  assert.equal(await found(), undefined);
  const shown = await run(server, "incident", "post-mortem", "inc_old");
  assert.match(shown.out, /review, named by token:\S+: nobody looked/);
  assert.match(shown.out, /\| right, but nobody was told \| token:/);
});

test("a repository whose remote is away, or whose branch is checked out, is found", async () => {
  await using server = await startServer({ repositories: { gone: { url: "./gone.git" } } });
  await writeFile(join(server.folder, "gone.git"), "not a repository");
  const late = Date.now() + 10_000;
  for (;;) {
    const { findings } = await server.client.coverage();
    const failing = findings.find(({ code }) => code === "repository-failing");
    if (failing !== undefined) {
      assert.equal(failing.about, "repository gone");
      return;
    }
    if (Date.now() > late) throw new Error(`never found: ${JSON.stringify(findings)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
