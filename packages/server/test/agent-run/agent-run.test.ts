import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Session } from "@lastgood/sdk";
import { identify } from "../../src/process-group.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { type Machine, startMachine } from "./wrapped.ts";

const config = { agents: { marketing: {} } };

/** How `marketing` runs on that machine, with the token of its own. */
async function marketing(server: TestServer, machine: Machine) {
  const token = await server.tokenAs("agent", "marketing");
  return (...args: string[]) =>
    machine.run({ url: server.lastgood.url, token }, ["--agent", "marketing", ...args]);
}

async function ended(server: TestServer, id: string): Promise<Session> {
  return await until(`the end of ${id}`, async () => {
    const session = await server.client.sessionOf(id);
    return session.state === "ended" ? session : null;
  });
}

test("a program that exits with 0 has completed; it had all it needs, and its output is its own", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const script = `
    echo "$LASTGOOD_URL $LASTGOOD_AGENT $LASTGOOD_SESSION"
    echo "$LASTGOOD_TOKEN" | cut -c1-9
    head -c 1 "$LASTGOOD_BRIEF" >/dev/null && echo "$LASTGOOD_BRIEF"`;
  const wrapped = run("--", "sh", "-c", script);
  const { session } = await wrapped.event("began");
  assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
  const [connection, token, brief = ""] = wrapped.out.trim().split("\n");
  assert.equal(connection, `${server.lastgood.url} marketing ${session}`);
  assert.equal(token, "lg_agent_");
  assert.equal(existsSync(brief), false, "the brief goes with the program");
  assert.deepEqual(readdirSync(join(machine.home, "agent-runs/marketing")), []);
  const { record, door, detail } = await server.client.sessionOf(session);
  assert.deepEqual([record.exit_reason, door, detail], ["completed", "agent-run", "exit code 0"]);
});

test("a program that fails has crashed, and the server knows within a second", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--restart", "never", "--", "sh", "-c", "date +%s%3N; exit 3");
  assert.deepEqual(await wrapped.ended, { code: 3, signal: null }, wrapped.err);
  const { session } = await wrapped.event("ended");
  const { record, detail, detectedAt } = await server.client.sessionOf(session);
  assert.deepEqual([record.exit_reason, detail], ["crashed", "exit code 3"]);
  const diedAt = Number(wrapped.out.trim());
  const tookMs = Date.parse(detectedAt ?? "") - diedAt;
  assert.ok(tookMs < 1_000, `it was noticed after ${tookMs} ms`);
});

test("one that is killed from outside starts again in a new session, which recovers in full", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "sleep", "60");
  const first = await wrapped.event("began");
  const killedAt = Date.now();
  process.kill(first.pid, "SIGKILL");
  const second = await wrapped.event("began", 2);
  assert.equal(second.recovery, "full");
  assert.equal(second.before, "crashed");
  const { record, detail, detectedAt } = await server.client.sessionOf(first.session);
  assert.deepEqual([record.exit_reason, detail], ["crashed", "signal SIGKILL"]);
  const tookMs = Date.parse(detectedAt ?? "") - killedAt;
  assert.ok(tookMs < 1_000, `it was noticed after ${tookMs} ms`);
  assert.equal((await server.client.sessionOf(second.session)).previous, first.session);
});

test("one that is stopped hangs: it is noticed within its lease and a second, ended, and started again", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--lease", "2s", "--", "sleep", "60");
  const first = await wrapped.event("began");
  const before = identify(first.pid);
  const stoppedAt = Date.now();
  process.kill(first.pid, "SIGSTOP");
  const over = await wrapped.event("session-over");
  assert.equal(over.reason, "hung");
  const { detectedAt } = await server.client.sessionOf(first.session);
  const tookMs = Date.parse(detectedAt ?? "") - stoppedAt;
  assert.ok(tookMs < 3_000, `it was noticed after ${tookMs} ms`);
  const second = await wrapped.event("began", 2);
  assert.notEqual(second.session, first.session);
  assert.notDeepEqual(identify(first.pid), before, "it does not live on");
});

test("an agent that beats by itself and then hangs is noticed, though its wrapper beats on", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const script = `
    curl -sf -X POST -H "authorization: Bearer $LASTGOOD_TOKEN" -H "content-type: application/json" \\
      -d '{"by":"agent"}' "$LASTGOOD_URL/v1/sessions/$LASTGOOD_SESSION/heartbeat" >/dev/null
    exec sleep 60`;
  const wrapped = run("--lease", "2s", "--restart", "never", "--", "sh", "-c", script);
  const { session } = await wrapped.event("began");
  assert.equal((await wrapped.event("session-over")).reason, "hung");
  assert.notEqual((await wrapped.ended).code, 0);
  assert.equal((await server.client.sessionOf(session)).record.exit_reason, "hung");
});

test("one that dies again and again is parked: the wrapper stops with 7 and says what to do", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "false");
  assert.deepEqual(await wrapped.ended, { code: 7, signal: null }, wrapped.err);
  const { because } = await wrapped.event("stopped");
  assert.match(because, /parked.*agents release marketing/);
  assert.equal(wrapped.events.filter((each) => each.event === "began").length, 3);
  assert.equal((await server.client.agent("marketing")).state, "parked");
});

test("--max-restarts ends it with the program's own code", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--max-restarts", "1", "--", "sh", "-c", "exit 4");
  assert.deepEqual(await wrapped.ended, { code: 4, signal: null }, wrapped.err);
  assert.match((await wrapped.event("stopped")).because, /--max-restarts 1/);
});

test("SIGTERM is passed on, and the session stopped, or evicted where it means that", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const script = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
  for (const [flags, reason] of [
    [[], "stopped"],
    [["--on-term", "evicted"], "evicted"],
  ] as const) {
    const wrapped = run(...flags, "--", "sh", "-c", script);
    const { session } = await wrapped.event("began");
    await until("the program", async () => (wrapped.out.includes("ready") ? true : null));
    wrapped.kill("SIGTERM");
    assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
    assert.match(wrapped.out, /goodbye/);
    const { record, detail } = await server.client.sessionOf(session);
    assert.equal(record.exit_reason, reason);
    assert.match(detail, /SIGTERM to agent run; then exit code 0/);
  }
});

test("a program that does not listen is killed after the grace, with all that it started", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const script = "trap '' TERM; sleep 61 & echo $!; wait; wait; while :; do sleep 0.1; done";
  const wrapped = run("--grace", "300ms", "--", "sh", "-c", script);
  const { session, pid } = await wrapped.event("began");
  const child = await until("its child", async () => Number(wrapped.out.trim()) || null);
  wrapped.kill("SIGTERM");
  assert.deepEqual(await wrapped.ended, { code: 137, signal: null }, wrapped.err);
  assert.equal(identify(pid), null);
  assert.equal(identify(child), null);
  assert.equal((await server.client.sessionOf(session)).record.exit_reason, "stopped");
});

test("what a program leaves behind in its group ends with it", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "sh", "-c", "sleep 62 & echo $!");
  assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
  assert.equal(identify(Number(wrapped.out.trim())), null);
});

test("another session that takes over ends the program and its wrapper, which says so", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--lease", "1s", "--", "sleep", "60");
  const { session, pid } = await wrapped.event("began");
  const client = await server.clientAs("agent", "marketing");
  const other = await client.openSession({ leaseMs: 600_000 });
  assert.deepEqual(await wrapped.ended, { code: 5, signal: null }, wrapped.err);
  assert.match((await wrapped.event("stopped")).because, new RegExp(other.record.session_id));
  assert.equal(identify(pid), null);
  assert.equal((await ended(server, session)).record.exit_reason, "fenced");
  assert.equal((await server.client.sessionOf(other.record.session_id)).state, "live");
});

test("a program that dies of being taken over is not started again against whoever took over", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--lease", "10m", "--", "sleep", "60");
  const { pid } = await wrapped.event("began");
  const client = await server.clientAs("agent", "marketing");
  const other = await client.openSession({ leaseMs: 600_000 });
  process.kill(pid, "SIGKILL");
  assert.deepEqual(await wrapped.ended, { code: 5, signal: null }, wrapped.err);
  assert.equal((await server.client.sessionOf(other.record.session_id)).state, "live");
});

test("with an admin's token the program gets one of its own, which ends with it", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const admin = { url: server.lastgood.url, token: await server.tokenAs("admin") };
  const before = (await server.client.tokens()).tokens.length;
  const wrapped = machine.run(admin, [
    "--agent",
    "marketing",
    "--",
    "sh",
    "-c",
    "echo $LASTGOOD_TOKEN",
  ]);
  assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
  assert.match(wrapped.out, /^lg_agent_/);
  const { tokens } = await server.client.tokens();
  assert.equal(tokens.length, before + 1);
  const own = tokens.find(({ agent }) => agent === "marketing");
  assert.ok(own !== undefined && own.revokedAt !== null);
});

test("a program that is not there is said before anything else happens to the agent", async () => {
  await using server = await startServer(config);
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "no-such-program");
  assert.equal((await wrapped.ended).code, 6, wrapped.err);
  assert.match((await wrapped.event("failed")).because, /no-such-program/);
  assert.equal(wrapped.out, "");
  const { sessions } = await server.client.sessions();
  assert.deepEqual(
    sessions.map(({ record }) => record.exit_reason),
    ["stopped"],
  );
});
