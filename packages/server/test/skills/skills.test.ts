/** A skill on a real server: it reaches everybody at once, and goes from everybody at once. */
import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "@lastgood/sdk";
import { pino } from "pino";
import { syncSkills } from "../../src/cli/sync-skills.ts";
import type { ChangeId } from "../../src/ids.ts";
import { recordChanges } from "../../src/ledger/ledger-store.ts";
import { serveOverHttp } from "../../src/mcp/http.ts";
import { createSkills } from "../../src/skills/skills.ts";
import { realWorld } from "../../src/world.ts";
import { connectHost } from "../mcp/hosts.ts";
import { lastgood } from "../support/lastgood.ts";
import { paste } from "../support/pasted.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { asIncident, checkOf, guilty, incidentOf, recoveryOf } from "./records.ts";

const name = "lastgood-content-api-health";

/** Lets the server learn from an incident that was put right. */
async function teach(server: TestServer, incident: string, rule = "health"): Promise<void> {
  const [symptom] = incidentOf(incident).symptoms;
  assert.ok(symptom);
  const skills = createSkills({
    ...{ db: server.lastgood.db, world: realWorld, log: pino({ level: "silent" }) },
    incidentOf: async () => incidentOf(incident, { symptoms: [{ ...symptom, rule }] }),
    recoveryOf: async () => recoveryOf(incident),
    checkOf: async () => checkOf(incident),
    changedLines: async () => "-create index revisions_by_article",
  });
  await skills.learn(asIncident(incident));
}

async function recordGuilty({ lastgood: { db } }: TestServer): Promise<void> {
  await recordChanges(db, [
    {
      ...{ id: guilty as ChangeId, at: new Date(), layer: "code", kind: "commit", target: "api" },
      ...{
        agent: "backend",
        to: "a".repeat(40),
        reason: "refactor",
        details: { paths: ["a.sql"] },
      },
    },
  ]);
}

async function emptyFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lastgood-skills-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("a skill reaches every agent at once, and a retired one is nowhere any more", async (t) => {
  await using server = await startServer({ agents: { backend: {}, search: {} } });
  await using folder = await emptyFolder();
  await recordGuilty(server);
  const agent = await server.clientAs("agent", "search");
  const before = await agent.openSession({ agent: "search" });
  await agent.endSession(before.record.session_id, { reason: "completed" });
  const mcp = await serveOverHttp({
    ...{ url: server.lastgood.url, port: 0, version: "test", report: console.error },
  });
  await using host = await connectHost("v2", {
    ...{ mcpUrl: mcp.url, token: await server.tokenAs("agent", "search") },
  });
  const uri = `lastgood://skills/${name}/SKILL.md`;
  try {
    assert.deepEqual(await host.resources(), []);
    await teach(server, "inc_1");

    await t.test("over HTTP", async () => {
      const { skills, more } = await agent.skills();
      assert.deepEqual([skills.map((each) => each.name), more], [[name], false]);
      const skill = await agent.skill(name);
      assert.match(skill.markdown, /^---\nname: lastgood-content-api-health\n/);
      assert.deepEqual(skill.playbook.signatures, ["content-api/health"]);
      assert.deepEqual((await agent.skills({ service: "website" })).skills, []);
    });
    await t.test("over MCP, as resources and as tools", async () => {
      assert.deepEqual(await host.resources(), [uri, `lastgood://skills/${name}/playbook.json`]);
      assert.match(await host.read(uri), /# content-api: put right once/);
      const playbook = JSON.parse(await host.read(`lastgood://skills/${name}/playbook.json`));
      assert.equal(playbook.skill, name);
      const { skills } = (await host.ok("skills")) as { skills: { name: string }[] };
      assert.deepEqual(
        skills.map((each) => each.name),
        [name],
      );
      assert.match(String((await host.ok("skill_read", { name })).markdown), /put right once/);
      assert.equal((await host.fails("skill_read", { name: "nothing" })).code, "not_found");
    });
    await t.test("in one line of the next brief, and not again in the one after", async () => {
      const { session_id: session } = (await agent.openSession({ agent: "search" })).record;
      const { markdown } = await agent.briefText("search", { session });
      const lines = markdown.split("\n").filter((line) => line.includes(name));
      assert.equal(lines.length, 1, markdown);
      assert.match(lines[0] ?? "", /lastgood skills show/);
      await agent.endSession(session, { reason: "completed" });
      const next = await agent.openSession({ agent: "search" });
      assert.deepEqual(
        (await agent.brief("search", { session: next.record.session_id })).skills,
        [],
      );
    });
    await t.test("in folders that are kept in step, by the command line", async () => {
      const env = {
        LASTGOOD_URL: server.lastgood.url,
        LASTGOOD_TOKEN: await server.tokenAs("viewer"),
      };
      const said = await lastgood(["skills", "sync", folder.path, "--json"], { env });
      assert.deepEqual(JSON.parse(said.out), {
        ...{ folder: folder.path, written: [name], kept: [], removed: [] },
      });
      const text = await readFile(join(folder.path, name, "SKILL.md"), "utf8");
      assert.equal(text, (await agent.skill(name)).markdown);
    });
    await t.test("agents cannot take it away, operators can, once", async () => {
      await assert.rejects(agent.retireSkill(name, "mine"), { code: "forbidden" });
      const operator = await server.clientAs("operator");
      await assert.rejects(operator.retireSkill(name, "  "), { code: "bad_input" });
      const retired = await operator.retireSkill(name, "the service is gone");
      assert.deepEqual(
        [retired.state, retired.because],
        ["retired", "token:operator: the service is gone"],
      );
      await assert.rejects(operator.retireSkill(name, "again"), { code: "state_forbids" });
      assert.deepEqual((await agent.skills()).skills, []);
      assert.equal((await agent.skills({ state: "all" })).skills.length, 1);
      assert.deepEqual(await host.resources(), []);
      assert.deepEqual(await syncSkills(agent, folder.path), {
        ...{ written: [], kept: [], removed: [name] },
      });
      assert.deepEqual(await readdir(folder.path), [".lastgood-skills.json"]);
    });
  } finally {
    await mcp.stop();
  }
});

test("a sync writes only what is its own, follows no link, and finishes what was cut off", async () => {
  await using server = await startServer();
  await using folder = await emptyFolder();
  const { client } = server;
  await recordGuilty(server);
  await teach(server, "inc_1");
  await teach(server, "inc_2", "latency");
  const [mine, other] = [
    join(folder.path, name),
    join(folder.path, "lastgood-content-api-latency"),
  ];

  await mkdir(mine);
  await writeFile(join(mine, "SKILL.md"), "somebody's own");
  await assert.rejects(syncSkills(client, folder.path), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, "already_exists");
    return error.message.includes(mine);
  });
  assert.equal(await readFile(join(mine, "SKILL.md"), "utf8"), "somebody's own");
  await assert.rejects(lstat(other), { code: "ENOENT" });
  await rm(mine, { recursive: true });

  await using elsewhere = await emptyFolder();
  await symlink(elsewhere.path, mine);
  await assert.rejects(syncSkills(client, folder.path), { code: "already_exists" });
  assert.deepEqual(await readdir(elsewhere.path), []);
  await rm(mine);

  assert.equal((await syncSkills(client, folder.path)).written.length, 2);
  const target = join(elsewhere.path, "target");
  await writeFile(target, "untouched");
  await rm(join(mine, "SKILL.md"));
  await symlink(target, join(mine, "SKILL.md"));
  await writeFile(join(other, "notes.md"), "a person's");
  assert.deepEqual((await syncSkills(client, folder.path)).written, [name]);
  assert.equal(await readFile(target, "utf8"), "untouched");

  await client.retireSkill("lastgood-content-api-latency", "not needed");
  await syncSkills(client, folder.path);
  assert.deepEqual(await readdir(other), ["notes.md"], "what others put there stays");

  await writeFile(join(folder.path, ".lastgood-skills.json"), '{"skills":["../../etc"]}');
  await assert.rejects(syncSkills(client, folder.path), { code: "bad_input" });
});

test("an incident is learned from once, and two faults of one rule are two skills", async () => {
  await using server = await startServer();
  await recordGuilty(server);
  await Promise.all([teach(server, "inc_1"), teach(server, "inc_1"), teach(server, "inc_2")]);
  await teach(server, "inc_2");
  const { skills } = await server.client.skills();
  assert.deepEqual(skills.map((each) => each.name).sort(), [name, `${name}-2`]);
});

test("what docs/skills.md says can be pasted, line by line", async () => {
  await using server = await startServer();
  await recordGuilty(server);
  await teach(server, "inc_1");
  const said = await paste("docs/skills.md", server);
  assert.match(said, /lastgood-content-api-health +active +1 /);
  assert.match(said, /"signatures": \[\n +"content-api\/health"/);
  assert.match(said, /\.\/agent-skills has 1 skill, 0 as before/);
  assert.match(said, /lastgood-content-api-health +retired/);
  assert.match(said, /removed +lastgood-content-api-health/);
});
