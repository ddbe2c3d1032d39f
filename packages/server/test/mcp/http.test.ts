import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { freePort } from "../../src/free-port.ts";
import { type McpOverHttp, serveOverHttp } from "../../src/mcp/http.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { connectHost, generations, lastgood } from "./hosts.ts";

const config = { agents: { marketing: {}, backend: {} } };

async function serve(server: TestServer, port = 0): Promise<McpOverHttp & AsyncDisposable> {
  const report = (error: unknown) => console.error(error);
  const served = await serveOverHttp({ url: server.lastgood.url, port, version: "test", report });
  return { ...served, [Symbol.asyncDispose]: () => served.stop() };
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** As no library would ask it: with whatever headers a page or an attacker sends. */
function ask(
  url: string,
  headers: Record<string, string>,
  { method = "POST", body = list }: { method?: string; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, headers: { ...usual, ...headers } }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    asking.once("error", reject);
    asking.end(method === "GET" ? undefined : body);
  });
}

const usual = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};
const list = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });

test("only this machine, by name, and no web page reaches it; and nobody without a token", async () => {
  await using server = await startServer(config);
  await using mcp = await serve(server);
  const authorization = `Bearer ${await server.tokenAs("agent", "marketing")}`;
  const good = await ask(mcp.url, { authorization });
  assert.equal(good.status, 200);
  assert.match(good.text, /session_start/);

  for (const host of ["rebound.example", "rebound.example:7441", "127.0.0.1.evil.example"]) {
    const refused = await ask(mcp.url, { authorization, host });
    assert.equal(refused.status, 403, `Host: ${host}`);
  }
  for (const origin of ["https://evil.example", "null", "http://localhost.evil.example"]) {
    const refused = await ask(mcp.url, { authorization, origin });
    assert.equal(refused.status, 403, `Origin: ${origin}`);
  }
  assert.equal(
    (await ask(mcp.url, { authorization, origin: "http://localhost:3000" })).status,
    200,
  );

  const nobody = await ask(mcp.url, {});
  assert.equal(nobody.status, 401);
  assert.match(String(nobody.headers["www-authenticate"]), /^Bearer /);
  assert.match(nobody.text, /token create --role agent/);
  for (const wrong of ["Basic abc", "Bearer", `Bearer ${"x".repeat(5_000)}`]) {
    assert.equal((await ask(mcp.url, { authorization: wrong })).status, 401, wrong.slice(0, 20));
  }
  const elsewhere = mcp.url.replace(/mcp$/, "other");
  assert.equal((await ask(elsewhere, { authorization })).status, 404);
  assert.equal((await ask(mcp.url, { authorization }, { method: "GET" })).status, 405);
});

test("bodies are bounded, and what is no JSON is the client's fault", async () => {
  await using server = await startServer(config);
  await using mcp = await serve(server);
  const authorization = `Bearer ${await server.tokenAs("agent", "marketing")}`;
  const large = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "x",
    params: { x: "x".repeat(3e6) },
  });
  assert.equal((await ask(mcp.url, { authorization }, { body: large })).status, 413);
  assert.equal((await ask(mcp.url, { authorization }, { body: "{" })).status, 400);
  const form = { authorization, "content-type": "text/plain" };
  assert.equal((await ask(mcp.url, form)).status, 415);
  assert.equal((await ask(mcp.url, { authorization })).status, 200, "and it goes on");
});

for (const generation of generations) {
  test(`a session outlives a restart of the MCP server, from a ${generation} client`, async () => {
    await using server = await startServer(config);
    const first = await serve(server);
    const port = Number(new URL(first.url).port);
    const token = await server.tokenAs("agent", "marketing");
    await using host = await connectHost(generation, { mcpUrl: first.url, token });
    const { session } = await host.ok("session_start");
    await host.ok("task_assign", { task: "T-1", title: "a post", agent: "marketing", session });
    await first.stop();
    await using _ = await serve(server, port);
    // A connection that the former server closed may only be found out by using it.
    await until("the new server", () => host.ok("tasks", { session }).catch(() => null));
    const claimed = await host.ok("task_claim", { task: "T-1", session });
    assert.equal((claimed.claim as { session: string }).session, session);
    assert.deepEqual(await host.ok("session_end", { session }), {
      session,
      exitReason: "completed",
    });
  });
}

test("two clients of one agent never share a session: the first is fenced, whatever it names", async () => {
  await using server = await startServer(config);
  await using mcp = await serve(server);
  const token = await server.tokenAs("agent", "marketing");
  await using one = await connectHost("v2", { mcpUrl: mcp.url, token });
  await using two = await connectHost("v1", { mcpUrl: mcp.url, token });
  const { session: older } = await one.ok("session_start");
  const { session: newer } = await two.ok("session_start", { lease_seconds: 60 });
  assert.equal((await server.client.sessionOf(String(newer))).leaseMs, 60_000);
  const put = { collection: "pages", id: "front", body: 1 };
  assert.equal((await one.fails("state_put", { ...put, session: older })).code, "fenced");
  assert.equal((await one.fails("inbox_next")).code, "bad_input");
  assert.equal((await one.fails("session_start", { join: older })).code, "fenced");
  assert.equal((await one.ok("session_start", { join: newer })).already, true);
  await two.ok("state_put", { ...put, session: newer });

  const other = await server.tokenAs("agent", "backend");
  await using thief = await connectHost("v2", { mcpUrl: mcp.url, token: other });
  for (const tool of ["inbox_next", "session_end", "brief"]) {
    assert.equal((await thief.fails(tool, { session: newer })).code, "not_yours", tool);
  }
});

test("a token that Lastgood does not take fails each call, and says so", async () => {
  await using server = await startServer(config);
  await using mcp = await serve(server);
  await using host = await connectHost("v2", { mcpUrl: mcp.url, token: "lg_nonsense" });
  const { code } = await host.fails("session_start");
  assert.equal(code, "unauthenticated");
});

test("the command serves until it is told to stop, and says where; a taken port is a fault", async () => {
  await using server = await startServer(config);
  const port = await freePort();
  const env = { ...process.env, LASTGOOD_URL: server.lastgood.url };
  const start = () =>
    spawn(process.execPath, [...lastgood, "mcp", "--http", "--port", String(port), "--json"], {
      env,
    });
  const child = start();
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { url } = JSON.parse(line) as { url: string };
  assert.equal(url, `http://127.0.0.1:${port}/mcp`);
  const token = await server.tokenAs("agent", "marketing");
  await using host = await connectHost("v2", { mcpUrl: url, token });
  await host.ok("session_start");

  const second = start();
  const [said] = (await once(createInterface(second.stdout), "line")) as [string];
  assert.match(said, /"code":"target_busy"/);
  assert.deepEqual(await once(second, "exit"), [5, null]);

  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});
