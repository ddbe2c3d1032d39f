import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type McpOverHttp, serveOverHttp } from "../../src/mcp/http.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { connectHost, type Generation, generations, type Host } from "./hosts.ts";

const transports = ["stdio", "http"] as const;
type Transport = (typeof transports)[number];

const eras: Readonly<Record<Generation, string>> = {
  v1: "legacy",
  v2: "modern",
  "v2 with the former protocol": "legacy",
};

interface Call {
  ok(tool: string, given?: Record<string, unknown>): Promise<Record<string, unknown>>;
  fails(tool: string, given?: Record<string, unknown>): Promise<{ code: string; text: string }>;
}

/** Every call as it must be made: over HTTP it names the session. */
function inSession(host: Host, session: string, called: Set<string>): Call {
  const named = session === "" ? {} : { session };
  return {
    async ok(tool, given = {}) {
      called.add(tool);
      return await host.ok(tool, { ...named, ...given });
    },
    async fails(tool, given = {}) {
      called.add(tool);
      return await host.fails(tool, { ...named, ...given });
    },
  };
}

async function messages({ ok, fails }: Call, server: TestServer, agent: string): Promise<void> {
  const sent = await ok("message_send", { agent, id: `${agent}-1`, payload: { n: 1 } });
  assert.equal(sent.duplicate, false);
  const again = await ok("message_send", { agent, id: `${agent}-1`, payload: { n: 1 } });
  assert.equal(again.duplicate, true);
  const { message } = (await ok("inbox_next", { wait_seconds: 10 })) as {
    message: { token: string; payload: unknown; id: string };
  };
  assert.deepEqual([message.id, message.payload], [`${agent}-1`, { n: 1 }]);
  assert.deepEqual(await ok("message_ack", { token: message.token }), { already: false });
  assert.deepEqual(await ok("message_ack", { token: message.token }), { already: true });
  assert.deepEqual(await ok("inbox_next"), { message: null });

  await ok("message_send", { agent, payload: "what nobody can do" });
  const bad = (await ok("inbox_next", { wait_seconds: 10 })) as { message: { token: string } };
  const { token } = bad.message;
  const failed = await ok("message_fail", { token, because: "the service is away" });
  assert.equal(failed.outcome, "waits");
  assert.equal((await fails("message_ack", { token })).code, "fenced");
  const back = (await ok("inbox_next", { wait_seconds: 10 })) as {
    message: { token: string; lastError: string };
  };
  assert.equal(back.message.lastError, "the service is away");
  const dead = await ok("message_fail", {
    ...{ token: back.message.token, because: "not for me", again: false, kind: "misrouted" },
  });
  assert.equal(dead.outcome, "dead");
  const { deadLetters } = await server.client.deadLetters({ consumer: `${agent}-durable-v1` });
  assert.deepEqual(
    deadLetters.map(({ reason }) => reason),
    ["misrouted"],
  );
}

async function task({ ok, fails }: Call, agent: string): Promise<void> {
  const id = `task-${agent}`;
  const asked = { task: id, title: "a post", agent, subtasks: ["draft", "proof"] };
  assert.equal((await ok("task_assign", asked)).already, false);
  assert.equal((await ok("task_assign", asked)).already, true);
  const other = await fails("task_assign", { ...asked, title: "another" });
  assert.equal(other.code, "already_exists");
  const { tasks } = (await ok("tasks")) as { tasks: { id: string }[] };
  assert.deepEqual(
    tasks.map((each) => each.id),
    [id],
  );
  assert.equal((await ok("task_claim", { task: id })).state, "in_progress");
  assert.equal((await fails("task_complete", { task: id })).code, "state_forbids");

  const { message } = await ok("checkpoint_message", {
    ...{ type: "feat", scope: "blog", summary: "draft the post", task: id },
    subtask: { n: 1, of: 2 },
  });
  assert.equal(message, `feat(blog): draft the post [task:${id}] [subtask:1/2]\n`);
  const recorded = await ok("checkpoint_record", { commit: "a".repeat(40), message });
  assert.deepEqual([recorded.task, recorded.subtask], [id, { n: 1, of: 2 }]);

  await ok("task_progress", { task: id, n: 1, state: "completed" });
  const moved = await ok("task_progress", { task: id, n: 2, state: "completed" });
  assert.deepEqual(
    (moved.subtasks as { state: string }[]).map(({ state }) => state),
    ["completed", "completed"],
  );
  const done = await ok("task_complete", { task: id, result: { words: 800 } });
  assert.deepEqual([done.state, done.result], ["completed", { words: 800 }]);

  await ok("task_assign", { task: `${id}-b`, title: "what waits", agent });
  await ok("task_claim", { task: `${id}-b` });
  const blocked = await ok("task_block", { task: `${id}-b`, because: "no access" });
  assert.deepEqual([blocked.state, blocked.blockedBecause], ["blocked", "no access"]);
  await ok("task_assign", { task: `${id}-c`, title: "what fails", agent });
  await ok("task_claim", { task: `${id}-c` });
  const gone = await ok("task_block", {
    task: `${id}-c`,
    because: "it does not work",
    failed: true,
  });
  assert.equal(gone.failures, 1);
}

async function effects({ ok, fails }: Call): Promise<void> {
  const mail = { key: "mail-to-alice", kind: "mail", request: { to: "alice" } };
  const begun = (await ok("effect_begin", mail)) as { go: string; effect: { id: string } };
  assert.equal(begun.go, "run");
  const effect = begun.effect.id;
  const forgotten = await fails("effect_begin", mail);
  assert.equal(forgotten.code, "effect_unknown");
  assert.match(forgotten.text, new RegExp(`${effect} was begun in this very session.*effect_fail`));
  assert.equal((await ok("effect_confirm", { effect, result: { sent: true } })).state, "confirmed");
  const replayed = (await ok("effect_begin", mail)) as { go: string; effect: { result: unknown } };
  assert.deepEqual([replayed.go, replayed.effect.result], ["replay", { sent: true }]);

  const pay = { key: "pay", kind: "payment" };
  const paid = (await ok("effect_begin", pay)) as { effect: { id: string } };
  const doubtful = { effect: paid.effect.id, outcome: "unknown", error: "timed out" };
  assert.equal((await ok("effect_fail", doubtful)).state, "unknown");
  const { effects: listed } = (await ok("effects_unknown")) as { effects: { id: string }[] };
  assert.deepEqual(
    listed.map(({ id }) => id),
    [paid.effect.id],
  );
  assert.equal((await ok("effect_begin", pay)).go, "look-up");
  const nonsense = {
    effect: paid.effect.id,
    happened: false,
    result: 1,
    because: "the bank's list",
  };
  assert.equal((await fails("effect_settle", nonsense)).code, "bad_input");
  const settled = await ok("effect_settle", {
    ...{
      effect: paid.effect.id,
      happened: true,
      result: { receipt: 7 },
      because: "the bank's list",
    },
  });
  assert.equal(settled.state, "confirmed");
  assert.equal((await ok("effect_begin", pay)).go, "replay");
}

async function documents({ ok, fails }: Call, server: TestServer, agent: string): Promise<void> {
  const front = { collection: "pages", id: agent };
  assert.equal((await fails("state_get", front)).code, "not_found");
  const first = await ok("state_put", { ...front, body: { title: "good" }, expect: 0 });
  const second = await ok("state_put", {
    ...{ ...front, body: { title: "bad" }, expect: first.version, task: "T-1", reason: "shorter" },
  });
  const stale = await fails("state_put", { ...front, body: {}, expect: 1 });
  assert.equal(stale.code, "version_conflict");
  assert.match(stale.text, /read it again, and decide anew\.$/);
  assert.deepEqual((await ok("state_get", front)).body, { title: "bad" });
  assert.deepEqual((await ok("state_get", { ...front, version: 1 })).body, { title: "good" });
  const { session } = await server.client.getDocument("pages", agent);
  assert.match(session ?? "", new RegExp(agent), "the write is the session's");

  const planned = await ok("recover_plan", { changes: [second.change], because: "it was bad" });
  const { id: recovery, digest } = planned;
  assert.equal(planned.plannedBy, agent);
  const unseen = await fails("recover_run", { recovery, digest: "0".repeat(64) });
  assert.equal(unseen.code, "plan_stale");
  assert.equal((await fails("approve", { recovery, digest })).code, "not_yours");
  await ok("recover_run", { recovery, digest });
  await until("the recovery", async () => {
    const { state } = await ok("recover_show", { recovery });
    assert.notEqual(state, "failed");
    return state === "verified" ? true : null;
  });
  assert.deepEqual((await ok("state_get", front)).body, { title: "good" });

  assert.deepEqual(await ok("incidents"), { incidents: [], more: false });
  assert.equal((await fails("suspects", { incident: "inc_none" })).code, "not_found");
  assert.deepEqual(await ok("skills", { service: agent }), { skills: [], more: false });
  assert.equal((await fails("skill_read", { name: "lastgood-none" })).code, "not_found");
  const { reporters } = await ok("report", { service: agent, text: "it is slow" });
  assert.equal(reporters, 1);
}

/** Each agent has an artifact that it may deploy; the others' are not its own. */
async function releases({ ok, fails }: Call, { client }: TestServer, agent: string): Promise<void> {
  await client.declareArtifact(agent, { kind: "config", inFlight: "switch" });
  for (const version of ["1", "2", "3"])
    await client.publishRelease(agent, { version, content: version });
  await client.deployRelease("production", agent, { version: "1" });
  const { id } = await client.startRollout("production", agent, {
    version: "2",
    ramp: [50, 100],
    holdMs: 3_600_000,
  });
  await until("the first step", async () => (await client.rollout(id)).phase === "canary");
  const { rollouts } = (await ok("rollouts", { artifact: agent })) as {
    rollouts: { id: string }[];
  };
  assert.deepEqual(
    rollouts.map((each) => each.id),
    [id],
  );
  const shown = await ok("rollout_show", { rollout: id });
  assert.deepEqual([shown.candidate, shown.percent, shown.decidedBy], ["2", 50, null]);

  const why = { rollout: id, because: "it answers nonsense" };
  assert.equal((await fails("rollout_freeze", why)).code, "forbidden");
  await client.freezeRollout(id, { because: "let me look" });
  const held = await fails("rollout_back", why);
  assert.equal(held.code, "frozen");
  assert.match(held.text, /token:admin froze it: let me look.*lastgood rollout back ro_/);
  assert.equal(
    (await fails("rollback", { artifact: agent, epoch: await epochOf(), because: "x" })).code,
    "frozen",
  );
  await client.resumeRollout(id, { because: "all is well" });
  await ok("rollout_back", { ...why, now: true });
  await until("the way back", async () => (await client.rollout(id)).phase === "rolled-back");

  await client.deployRelease("production", agent, { version: "3" });
  const stale = { artifact: agent, epoch: 1, because: "it is worse" };
  assert.equal((await fails("rollback", stale)).code, "version_conflict");
  const unchecked = await fails("rollback", { ...stale, unchecked: true });
  assert.equal(unchecked.code, "bad_input", "looking away is no tool's");
  const back = await ok("rollback", { ...stale, epoch: await epochOf() });
  assert.deepEqual([back.shares, back.by], [[{ version: "1", share: 100 }], agent]);
  const others = await fails("rollback", { ...stale, artifact: "shared", epoch: 1 });
  assert.equal(others.code, "not_yours");

  async function epochOf(): Promise<number> {
    const { pins } = (await ok("pins")) as { pins: { artifact: string; epoch: number }[] };
    return pins.find(({ artifact }) => artifact === agent)?.epoch ?? assert.fail();
  }
}

const agents = generations.flatMap((generation) =>
  transports.map((transport) => ({
    generation,
    transport,
    agent: `${transport}-${generation.replaceAll(" ", "-")}`,
  })),
);

async function life(server: TestServer, mcpUrl: string, each: (typeof agents)[number]) {
  const { generation, transport, agent } = each;
  const token = await server.tokenAs("agent", agent);
  const where = transport === "http" ? { mcpUrl, token } : { url: server.lastgood.url, token };
  await using host = await connectHost(generation, where);
  assert.equal(host.era, eras[generation]);
  assert.match(host.instructions, /session_start first/);
  const offered = (await host.tools()).map(({ name }) => name);
  for (const { name, annotations } of await host.tools()) {
    for (const hint of ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]) {
      assert.equal(typeof annotations?.[hint], "boolean", `${name} ${hint}`);
    }
  }

  const { code } = await host.fails("task_claim", { task: "T-1" });
  assert.equal(code, "bad_input", "without a session nothing is claimed");
  const started = await host.ok("session_start");
  assert.equal(started.held, transport === "stdio");
  const session = String(started.session);
  assert.equal((await server.client.sessionOf(session)).door, "mcp");
  const called = new Set(["session_start"]);
  const call = inSession(host, transport === "http" ? session : "", called);

  await messages(call, server, agent);
  await task(call, agent);
  await effects(call);
  await documents(call, server, agent);
  await releases(call, server, agent);
  const { markdown } = await call.ok("brief", { max_tokens: 2_000 });
  assert.match(String(markdown), new RegExp(`task-${agent}-b`));
  await promptAndResource(host, agent, transport);

  const ended = await call.ok("session_end", { detail: "all done" });
  assert.deepEqual(ended, { session, exitReason: "completed" });
  const { record } = await server.client.sessionOf(session);
  assert.equal(record.exit_reason, "completed");
  assert.deepEqual(record.tasks_completed, [`task-${agent}`]);
  assert.deepEqual(record.commits, ["a".repeat(40)]);
  assert.deepEqual([...called].sort(), [...offered].sort(), "every tool was called");
}

async function promptAndResource(host: Host, agent: string, transport: Transport) {
  assert.deepEqual(await host.prompts(), ["resume"]);
  const named = transport === "http" ? { agent } : {};
  const resumed = await host.prompt("resume", { ...named, max_tokens: "1000" });
  assert.match(resumed, new RegExp(`# Brief of ${agent}`));
  assert.match(resumed, /Resume from here/);
  await assert.rejects(host.prompt("resume", { ...named, max_tokens: "many" }), /bad_input/);
  const listed = transport === "stdio" ? [`lastgood://brief/${agent}`] : [];
  assert.deepEqual(await host.resources(), listed);
  const short = await host.read(`lastgood://brief/${agent}?max_tokens=150`);
  const long = await host.read(`lastgood://brief/${agent}`);
  assert.ok(short.length < long.length, "the argument bounds it");
  await assert.rejects(host.read("lastgood://brief/nobody"), /not_yours/);
}

const authority = { layers: ["state"], mode: "auto" };
const problems: unknown[] = [];
const stage = new AsyncDisposableStack();
let server: TestServer;
let served: McpOverHttp;

before(async () => {
  stage.defer(() => assert.deepEqual(problems, []));
  const started = await startServer({
    agents: Object.fromEntries(
      agents.map(({ agent }) => [agent, { authority, deploys: [`production/${agent}`] }]),
    ),
    // One for each: three reports of one service would open an incident.
    services: Object.fromEntries(agents.map(({ agent }) => [agent, {}])),
    caps: { recoveriesPerDay: 100 },
  });
  server = stage.use(started);
  await server.client.declareArtifact("shared", { kind: "config", inFlight: "switch" });
  await server.client.publishRelease("shared", { version: "1", content: "1" });
  await server.client.deployRelease("production", "shared", { version: "1" });
  served = await serveOverHttp({
    ...{ url: server.lastgood.url, port: 0, version: "test" },
    report: (error) => problems.push(error),
  });
  stage.defer(() => served.stop());
});
after(() => stage.disposeAsync());

for (const each of agents) {
  test(`an agent lives a whole life over MCP, with every tool: ${each.generation} over ${each.transport}`, async () => {
    await life(server, served.url, each);
  });
}
