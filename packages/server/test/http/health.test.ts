import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { pino } from "pino";
import { startLoop } from "../../src/loop.ts";
import { openPool } from "../../src/store/driver.ts";
import { startServer } from "../support/server.ts";

test("anybody may ask for the health, and learns what runs", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.lastgood.url}/health`);
  assert.equal(response.status, 200);
  const health = await server.client.health();
  assert.equal(health.status, "ok");
  assert.match(health.version, /^\d+\.\d+\.\d+/);
  assert.match(String(health.revision), /^[0-9a-f]{40}$|^null$/);
  assert.equal(health.store.reachable, true);
  assert.ok((health.store.latencyMs ?? Number.NaN) >= 0);
});

test("health says degraded while the database refuses, and ok when it is back", async () => {
  await using server = await startServer();
  const [row] = await server.lastgood.db<{ name: string }[]>`select current_database() as name`;
  const name = row?.name ?? "";
  const admin = openPool(server.databaseUrl.replace(`/${name}`, "/postgres"), { max: 1 });
  try {
    await admin.unsafe(`alter database ${name} allow_connections false`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    const away = await fetch(`${server.lastgood.url}/health`);
    assert.equal(away.status, 503);
    assert.equal(((await away.json()) as { status: string }).status, "degraded");
    await assert.rejects(server.client.changes(), { code: "store_unreachable" });

    await admin.unsafe(`alter database ${name} allow_connections true`);
    const deadline = Date.now() + 10_000;
    while ((await fetch(`${server.lastgood.url}/health`)).status !== 200) {
      assert.ok(Date.now() < deadline, "health did not come back within 10 s");
    }
    assert.deepEqual((await server.client.changes()).changes, []);
  } finally {
    await admin.end();
  }
});

test("metrics count requests by route, loops by outcome, and need a token", async () => {
  await using server = await startServer();
  await server.client.changes();
  const failing = startLoop({
    name: "failing",
    everyMs: 60_000,
    log: pino({ level: "silent" }),
    run: () => Promise.reject(new Error("on purpose")),
  });
  const ask = async (token: string) =>
    await fetch(`${server.lastgood.url}/metrics`, {
      headers: { authorization: `Bearer ${token}` },
    });
  assert.equal((await ask("none")).status, 401);
  const response = await ask(await server.tokenAs("viewer"));
  const text = await response.text();
  await failing.stop();
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
  assert.match(
    text,
    /lastgood_http_request_seconds_count\{method="GET",route="\/v1\/changes",status="200"\} 1/,
  );
  assert.match(text, /lastgood_loop_turns_total\{loop="failing",outcome="failed"\} 1/);
  assert.match(text, /lastgood_store_up 1/);
  assert.match(text, /lastgood_store_connections\{state="\w+/);
  assert.match(text, /lastgood_process_resident_bytes \d{7,}/);
});

test("the first token is in a file that only its owner reads, and works", async () => {
  await using server = await startServer();
  const file = server.lastgood.tokenFile ?? "";
  assert.equal(file, join(server.folder, "home/admin.token"));
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const token = (await readFile(file, "utf8")).trim();
  const client = createClient({ url: server.lastgood.url, token });
  assert.ok((await client.tokens()).tokens.length > 0);
});
