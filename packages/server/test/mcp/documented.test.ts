import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { path, serveOverHttp } from "../../src/mcp/http.ts";
import { tools } from "../../src/mcp/tools/tools.ts";
import { startServer } from "../support/server.ts";
import { connectHost } from "./hosts.ts";

const root = resolve(import.meta.dirname, "../../../..");
const page = readFileSync(join(root, "docs/mcp.md"), "utf8");

interface Configured {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The configurations of the page, in their order. */
function configured(): readonly Configured[] {
  const blocks = [...page.matchAll(/^```json\n(.*?)^```/gms)].map(([, text = ""]) => text);
  return blocks.map(
    (text) => (JSON.parse(text) as { mcpServers: { lastgood: Configured } }).mcpServers.lastgood,
  );
}

test("the configuration for hosts that start their servers works as it is written", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const token = await server.tokenAs("agent", "marketing");
  const [stdio] = configured();
  assert.ok(stdio);
  assert.deepEqual(Object.keys(stdio.env), ["LASTGOOD_URL", "LASTGOOD_TOKEN"]);
  await using host = await connectHost("v1", {
    url: server.lastgood.url,
    token,
    folder: root,
    command: [stdio.command, ...stdio.args],
  });
  assert.equal((await host.ok("session_start")).agent, "marketing");
  await host.ok("session_end");
});

test("the configuration for hosts that connect has the address and the header that are served", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const [, http] = configured();
  assert.ok(http);
  assert.equal(new URL(http.url).pathname, path);
  assert.deepEqual(http.headers, { Authorization: `Bearer \${LASTGOOD_TOKEN}` });
  const { url } = server.lastgood;
  const mcp = await serveOverHttp({ ...{ url, port: 0, version: "test" }, report: console.error });
  try {
    const mcpUrl = http.url.replace(":7441", `:${new URL(mcp.url).port}`);
    const token = await server.tokenAs("agent", "marketing");
    await using host = await connectHost("v2", { mcpUrl, token });
    assert.equal((await host.ok("session_start")).agent, "marketing");
  } finally {
    await mcp.stop();
  }
});

test("the page names every tool, and none that is not there", () => {
  const table = page.slice(page.indexOf("## Tools"), page.indexOf("Every tool says"));
  const named = [...table.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name);
  assert.deepEqual(named.sort(), tools.map(({ name }) => name).sort());
});
