import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { identify } from "../../src/process-group.ts";
import { lastgood as command } from "../support/lastgood.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { connectHost, type Host, lastgood } from "./hosts.ts";

const config = { agents: { marketing: {}, backend: {} } };
const briefLease = { lease_seconds: 1 };

async function marketing(server: TestServer, env: Record<string, string> = {}): Promise<Host> {
  const token = await server.tokenAs("agent", "marketing");
  return await connectHost("v2", { url: server.lastgood.url, token, env });
}

async function ended(server: TestServer, session: unknown) {
  return await until("the session's end", async () => {
    const found = await server.client.sessionOf(String(session));
    return found.state === "ended" ? found : null;
  });
}

function isGone(pid: number | null): Promise<true> {
  return until("the end of the process", async () => (identify(pid ?? 0) === null ? true : null));
}

test("a host that closes the connection ends no session: its lease does, and the next one recovers", async () => {
  await using server = await startServer(config);
  const first = await marketing(server);
  const { pid } = first;
  const { session } = await first.ok("session_start", briefLease);
  const live = await server.client.sessionOf(String(session));
  assert.equal(live.door, "mcp");
  await first[Symbol.asyncDispose]();
  await isGone(pid);
  const dead = await ended(server, session);
  assert.equal(dead.record.exit_reason, "crashed");
  assert.match(dead.detail, /not heard for 1 s/);
  const silentMs = Date.parse(dead.detectedAt ?? "") - Date.parse(dead.lastHeardAt);
  assert.ok(silentMs >= 1_000 && silentMs <= 3_000, `noticed after ${silentMs} ms`);

  await using second = await marketing(server);
  const started = await second.ok("session_start");
  assert.deepEqual([started.recovery, started.before], ["full", session]);
  assert.match(String(started.next), /Call brief before anything else/);
});

test("a session lives as long as its connection, however long the agent says nothing", async () => {
  await using server = await startServer(config);
  await using host = await marketing(server);
  const { session } = await host.ok("session_start", briefLease);
  const began = Date.now();
  await until("three leases to pass", async () => {
    const { state } = await server.client.sessionOf(String(session));
    assert.equal(state, "live");
    return Date.now() - began > 3_000 ? true : null;
  });
});

test("a host that is killed leaves a session that crashes within its lease, and no process", async () => {
  await using server = await startServer(config);
  const token = await server.tokenAs("agent", "marketing");
  const child = spawn(
    process.execPath,
    [
      ...lastgood.slice(0, 2),
      join(import.meta.dirname, "host-child.ts"),
      server.lastgood.url,
      token,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const [session, pid] = line.split(" ");
  child.kill("SIGKILL");
  const dead = await ended(server, session);
  assert.equal(dead.record.exit_reason, "crashed");
  await isGone(Number(pid));
});

test("a server that is killed leaves a session that crashes; one that is told to stop ends it as stopped", async () => {
  await using server = await startServer(config);
  for (const [signal, reason] of [
    ["SIGKILL", "crashed"],
    ["SIGTERM", "stopped"],
  ] as const) {
    await using host = await marketing(server);
    const { session } = await host.ok("session_start", briefLease);
    process.kill(host.pid ?? 0, signal);
    const { record, detail } = await ended(server, session);
    assert.equal(record.exit_reason, reason);
    if (reason === "stopped") assert.match(detail, /got SIGTERM/);
  }
});

test("starting again in one connection finds its session; after its end, another begins", async () => {
  await using server = await startServer(config);
  await using host = await marketing(server);
  const first = await host.ok("session_start");
  const again = await host.ok("session_start");
  assert.deepEqual([again.session, again.already], [first.session, true]);
  const forked = await host.ok("session_start", { effects: "fork", because: "do it anew" });
  assert.notEqual(forked.session, first.session);
  await host.ok("session_end");
  assert.equal((await host.fails("message_send", { agent: "backend", payload: 1 })).code, "fenced");
  const next = await host.ok("session_start");
  assert.deepEqual([next.recovery, next.already], ["fresh", false]);
});

test("who was fenced is told so at every call, until it takes over by name", async () => {
  await using server = await startServer(config);
  await using zombie = await marketing(server);
  const { session } = await zombie.ok("session_start");
  await using successor = await marketing(server);
  await successor.ok("session_start");
  const put = { collection: "pages", id: "front", body: 1 };
  for (let n = 0; n < 2; n++) assert.equal((await zombie.fails("state_put", put)).code, "fenced");
  await assert.rejects(server.client.getDocument("pages", "front"), /no document/);
  assert.deepEqual(await zombie.ok("session_end"), { session, exitReason: "fenced" });
  const taken = await zombie.ok("session_start");
  assert.notEqual(taken.session, session);
  assert.equal((await successor.fails("state_put", put)).code, "fenced");
});

test("a session that agent run opened is joined, and what the host's folder holds is its work tree", async () => {
  await using server = await startServer(config);
  const agent = await server.clientAs("agent", "marketing");
  const opened = await agent.openSession({ door: "agent-run" });
  const { session_id: LASTGOOD_SESSION } = opened.record;
  await using joined = await marketing(server, { LASTGOOD_SESSION });
  assert.equal((await joined.ok("session_start")).session, LASTGOOD_SESSION);

  const folder = await mkdtemp(join(tmpdir(), "lastgood-mcp-"));
  await mkdir(join(folder, ".git"));
  try {
    const token = await server.tokenAs("agent", "backend");
    await using host = await connectHost("v1", { url: server.lastgood.url, token, folder });
    const { session } = await host.ok("session_start");
    const { workTree } = await server.client.sessionOf(String(session));
    assert.equal(workTree?.path, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("while Lastgood is away, calls say so and the MCP server stays", async () => {
  const server = await startServer(config);
  await using host = await marketing(server);
  await host.ok("session_start");
  await server[Symbol.asyncDispose]();
  const { code, text } = await host.fails("tasks");
  assert.equal(code, "server_unreachable");
  assert.match(text, /Call it again in a while\.$/);
  assert.ok((await host.tools()).length > 20);
});

test("what is no MCP neither ends the server nor reaches stdout; what is too large ends it", async () => {
  await using server = await startServer(config);
  const token = await server.tokenAs("agent", "marketing");
  const env = { ...process.env, LASTGOOD_URL: server.lastgood.url, LASTGOOD_TOKEN: token };
  const child = spawn(process.execPath, [...lastgood, "mcp"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const lines = createInterface(child.stdout);
  child.stdin.on("error", () => {});
  child.stdin.write('not json\n[]\n{"jsonrpc":"2.0"}\n\u0000\n');
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "x", version: "1" },
  };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
  const [line] = (await once(lines, "line")) as [string];
  assert.equal((JSON.parse(line) as { id: number }).id, 1);
  const over = once(child, "exit");
  child.stdin.write("x".repeat(5 * 1_048_576));
  assert.deepEqual(await over, [0, null]);
});

test("without an agent's token it does not start: the admin's token of the machine is not taken", async () => {
  await using server = await startServer(config);
  const { code, out, err } = await command(["mcp"], {
    env: { LASTGOOD_TOKEN: "", LASTGOOD_HOME: join(server.folder, "home") },
  });
  assert.equal(code, 4);
  assert.equal(out, "");
  assert.match(err, /token create --role agent.*unauthenticated/);
});
