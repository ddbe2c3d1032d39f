import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownHost } from "../../src/own-host.ts";
import { startRestartable } from "../support/restartable.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { type Claude, type Project, startProject } from "./claude.ts";

const config = { agents: { marketing: {}, backend: {} } };

async function projectOn(server: TestServer): Promise<Project> {
  const token = await server.tokenAs("agent", "marketing");
  return await startProject({ url: server.lastgood.url, token }, "marketing");
}

async function living(server: TestServer) {
  const { sessions } = await server.client.sessions({ state: "live" });
  return sessions[0] ?? assert.fail("no session lives");
}

const push = (use: string) => ({
  tool_name: "Bash",
  tool_input: { command: "git push origin main" },
  tool_use_id: use,
});

/** Starts a conversation and answers with the id of its session. */
async function begin(server: TestServer, claude: Claude): Promise<string> {
  const ran = await claude.fire("SessionStart", { source: "startup" });
  assert.equal(ran.code, 0, ran.err);
  return (await living(server)).record.session_id;
}

test("a whole conversation: brief, compaction, intents and outcomes, a clean end", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  await server.client.assignTask({ id: "post-1", title: "Write the post", agent: "marketing" });

  const started = await claude.fire("SessionStart", { source: "startup" });
  assert.equal(started.err, "");
  assert.equal(started.answer?.hookEventName, "SessionStart");
  assert.match(started.answer?.additionalContext ?? "", /post-1/);
  const { record, door, workTree } = await living(server);
  const id = record.session_id;
  assert.deepEqual([record.agent, door], ["marketing", "hooks"]);
  assert.equal(workTree?.host, ownHost());

  const reading = { tool_name: "Read", tool_input: { file_path: "post.md" }, tool_use_id: "t0" };
  assert.equal((await claude.fire("PreToolUse", reading)).out, "");
  assert.equal((await claude.fire("PreToolUse", push("t1"))).out, "");
  const [begun] = (await server.client.effects({ session: id })).effects;
  assert.deepEqual(
    [begun?.state, begun?.kind, begun?.key, begun?.request],
    ["dispatched", "Bash", "claude-code t1", { command: "git push origin main" }],
    "written down before it is dispatched; what only looks is not",
  );
  await claude.fire("PostToolUse", { ...push("t1"), tool_response: { stdout: "ok" } });
  const [confirmed] = (await server.client.effects({ session: id })).effects;
  assert.deepEqual([confirmed?.state, confirmed?.result], ["confirmed", { stdout: "ok" }]);

  writeFileSync(join(project.folder, "draft.md"), "half a sentence\n");
  assert.equal((await claude.fire("PreCompact", { trigger: "auto" })).code, 0);
  const { report } = await server.client.savedWorkTree(id);
  assert.ok(
    report?.files.some(({ path }) => path === "draft.md"),
    "saved before the compaction",
  );
  const compacted = await claude.fire("SessionStart", { source: "compact" });
  assert.match(compacted.answer?.additionalContext ?? "", /draft\.md/);
  assert.equal((await living(server)).record.session_id, id, "a compaction is no other session");

  assert.equal((await claude.fire("SessionEnd", { reason: "prompt_input_exit" })).err, "");
  const ended = await server.client.sessionOf(id);
  assert.deepEqual(
    [ended.record.exit_reason, ended.detail],
    ["stopped", "Claude Code: prompt_input_exit"],
  );
  const left = readdirSync(join(project.home, "hook-sessions"));
  assert.deepEqual(left, [], "nothing of it is left behind");
});

test("a call that failed is failed, confirmed or doubted, as far as is known", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  const id = await begin(server, claude);
  const mail = { tool_name: "mcp__mail__send", tool_input: { to: "ada@example.org" } };
  const cases = [
    [push("f1"), { error: "Exit code 1\nrejected", is_interrupt: false }, "confirmed"],
    [push("f2"), { error: "interrupted", is_interrupt: true }, "unknown"],
    [{ ...mail, tool_use_id: "f3" }, { error: "connection reset" }, "unknown"],
    [{ ...mail, tool_use_id: "f4" }, { error: "InputValidationError: to" }, "failed"],
  ] as const;
  for (const [call, failure, state] of cases) {
    await claude.fire("PreToolUse", call);
    await claude.fire("PostToolUseFailure", { ...call, ...failure });
    const { effects } = await server.client.effects({ session: id });
    const effect = effects.find(({ key }) => key === `claude-code ${call.tool_use_id}`);
    assert.equal(effect?.state, state, call.tool_use_id);
  }
});

test("edits in the work tree are no effects on the outside, and can be taken back; others are", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  const id = await begin(server, claude);
  const edit = (file: string, use: string) => ({
    tool_name: "Write",
    tool_input: { file_path: file, content: "x".repeat(50_000) },
    tool_use_id: use,
  });
  await claude.fire("PreToolUse", edit(join(project.folder, "post.md"), "e1"));
  await claude.fire("PreToolUse", edit("/etc/outside", "e2"));
  const { effects } = await server.client.effects({ session: id });
  assert.deepEqual(
    effects.map(({ key }) => key),
    ["claude-code e2"],
  );
  assert.match(JSON.stringify(effects[0]?.request), /more characters/, "not all of it is kept");
  await until(
    "the first save, in the background",
    async () => (await server.client.savedWorkTree(id)).save,
  );
});

test("the same call is not made twice: its result is told, or the person is asked", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  await begin(server, claude);
  await claude.fire("PreToolUse", push("t1"));
  await claude.fire("PostToolUse", { ...push("t1"), tool_response: "pushed" });
  const again = await claude.fire("PreToolUse", push("t1"));
  assert.equal(again.answer?.permissionDecision, "deny");
  assert.match(again.answer?.permissionDecisionReason ?? "", /made already.*pushed/);

  await claude.fire("PreToolUse", push("t2"));
  await claude.kill();
  const next = project.start({ id: claude.id });
  await next.fire("SessionStart", { source: "resume" });
  const unsure = await next.fire("PreToolUse", push("t2"));
  assert.equal(unsure.answer?.permissionDecision, "ask");
  assert.match(unsure.answer?.permissionDecisionReason ?? "", /nobody knows/);
});

test("a conversation that is killed has crashed at once; the next brief says what is not known", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  const id = await begin(server, claude);
  await claude.fire("PreToolUse", push("t1"));
  const killedAt = Date.now();
  await claude.kill();
  const dead = await until("the crash", async () => {
    const session = await server.client.sessionOf(id);
    return session.state === "ended" ? session : null;
  });
  assert.equal(dead.record.exit_reason, "crashed");
  const tookMs = Date.parse(dead.detectedAt ?? "") - killedAt;
  assert.ok(tookMs < 2_000, `noticed after ${tookMs} ms`);
  const next = project.start();
  const { answer } = await next.fire("SessionStart", { source: "startup" });
  assert.match(answer?.additionalContext ?? "", /git push origin main|claude-code t1/);
});

test("a session that lapsed while a person slept is opened anew, and the work goes on", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  const id = await begin(server, claude);
  await server.client.endSession(id, { reason: "crashed", detail: "it was not heard for 600 s" });
  const ran = await claude.fire("PreToolUse", push("t1"));
  assert.equal(ran.out, "", ran.err);
  const other = await living(server);
  assert.notEqual(other.record.session_id, id);
  const { effects } = await server.client.effects({ session: other.record.session_id });
  assert.equal(effects.length, 1);
});

test("what was taken over, parked or contained may not act any more, and hears why", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const claude = project.start();
  await begin(server, claude);
  const other = await (await server.clientAs("agent", "marketing")).openSession({});
  const denied = await claude.fire("PreToolUse", push("t1"));
  assert.equal(denied.code, 0);
  assert.equal(denied.answer?.permissionDecision, "deny");
  const because = denied.answer?.permissionDecisionReason ?? "";
  assert.match(because, new RegExp(`${other.record.session_id} took its place.*Stop working`));

  await server.lastgood.db`update agents set parked_at = now(), parked_because = 'it died 3 times'`;
  const next = project.start();
  const start = await next.fire("SessionStart", { source: "startup" });
  assert.match(start.answer?.additionalContext ?? "", /is parked.*agents release marketing/);
  const parked = await next.fire("PreToolUse", push("t2"));
  assert.equal(parked.answer?.permissionDecision, "deny");
});

test("a server that is away breaks nothing, costs little, and hears of the outcome when it is back", async () => {
  await using server = await startRestartable(config);
  const token = await server.tokenFor("marketing");
  await using project = await startProject({ url: server.url, token }, "marketing");
  const claude = project.start();
  await claude.fire("SessionStart", { source: "startup" });
  await claude.fire("PreToolUse", push("t1"));
  await server.stop();
  const events = [
    ["PostToolUse", { ...push("t1"), tool_response: "pushed" }],
    ["PreToolUse", push("t2")],
    ["PreCompact", { trigger: "auto" }],
    ["SessionStart", { source: "compact" }],
  ] as const;
  for (const [event, fields] of events) {
    const ran = await claude.fire(event, fields);
    assert.deepEqual([ran.code, ran.out], [0, ""], event);
    assert.match(ran.err, /lastgood: .*away, and the agent goes on without/, event);
  }
  await server.start();
  const { awayUntil } = project.stateOf(claude);
  await until("it is asked again", () => Date.now() > awayUntil);
  await claude.fire("PostToolUse", { ...push("none"), tool_response: "" });
  const { effects } = await server.client.effects();
  const told = effects.find(({ state }) => state === "confirmed");
  assert.equal(told?.result, "pushed");
});

test("without a token, with other input, or at an event to come, a hook exits with 0 and says why", async () => {
  await using server = await startServer(config);
  await using project = await startProject({ url: server.lastgood.url, token: "" }, null);
  const claude = project.start();
  const ran = await claude.fire("SessionStart", { source: "startup" });
  assert.deepEqual([ran.code, ran.out], [0, ""]);
  assert.match(ran.err, /lastgood: .*token/i);
});

test("two terminals in one project are two agents, and a name that is free again is taken", async () => {
  await using server = await startServer({});
  const token = await server.tokenAs("operator");
  await using project = await startProject({ url: server.lastgood.url, token }, null);
  const first = project.start();
  const second = project.start();
  await first.fire("SessionStart", { source: "startup" });
  await second.fire("SessionStart", { source: "startup" });
  const names = async () =>
    (await server.client.sessions({ state: "live" })).sessions.map(({ record }) => record.agent);
  assert.deepEqual((await names()).sort(), ["site", "site-2"]);
  await first.kill();
  await until("its end", async () => ((await names()).length === 1 ? true : null));
  const third = project.start();
  await third.fire("SessionStart", { source: "startup" });
  assert.deepEqual(
    (await names()).sort(),
    ["site", "site-2"],
    "a name that is free again is taken",
  );
});

test("a session that agent run opened is joined, and its end is left to agent run", async () => {
  await using server = await startServer(config);
  await using project = await projectOn(server);
  const marketing = await server.clientAs("agent", "marketing");
  const { record } = await marketing.openSession({ door: "agent-run" });
  const claude = project.start({ session: record.session_id });
  await claude.fire("SessionStart", { source: "startup" });
  await claude.fire("PreToolUse", push("t1"));
  await claude.fire("SessionEnd", { reason: "other" });
  const { sessions } = await server.client.sessions();
  assert.deepEqual(
    sessions.map(({ state }) => state),
    ["live"],
  );
  const { effects } = await server.client.effects({ session: record.session_id });
  assert.equal(effects.length, 1);
});
