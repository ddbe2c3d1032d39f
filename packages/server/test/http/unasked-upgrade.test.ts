/** Answers of 101 to whoever asked for no other protocol: without a listener of their own nothing would come of them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../../src/free-port.ts";
import { openai } from "../../src/gateway/dialect.ts";
import { openEndpoints } from "../../src/gateway/endpoint.ts";
import { Front, Target } from "../../src/layers/runtime/keeper-front.ts";
import { startInstance, untilHealthy } from "../../src/layers/runtime/keeper-instance.ts";
import { KeeperLog } from "../../src/layers/runtime/keeper-log.ts";
import { createProcessAdapter } from "../../src/layers/runtime/process-adapter.ts";
import { post } from "../../src/notify/post.ts";
import { startSandboxed } from "../../src/sandbox/sandboxed-service.ts";
import { probeOnce } from "../../src/signals/probe.ts";

const limits = { timeout: 30_000 };
const changes =
  "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: another\r\n\r\n";
const argv = [
  ...[process.execPath, "--eval"],
  `require("node:net").createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(${JSON.stringify(changes)}));
  }).listen(Number(process.env.PORT), "127.0.0.1");`,
];

/** Changes to another protocol at the first word, and then holds the connection. */
async function startChanging() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => socket.write(changes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: new URL(`http://127.0.0.1:${port}/`),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function makeFolder() {
  const path = await mkdtemp(join(tmpdir(), "lastgood-changing-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const patience = () => new AbortController().signal;

test("a probe that is answered so has failed", limits, async () => {
  await using service = await startChanging();
  const asked = { timeoutMs: 20_000, readsBody: false };
  const { outcome } = await probeOnce(service.url, asked, patience());
  assert.equal(outcome, "failed");
});

test("a page that is answered so was not taken", limits, async () => {
  await using receiver = await startChanging();
  const page = { url: receiver.url, headers: {}, body: "{}", reach: "any" } as const;
  assert.equal((await post(page, patience())).kind, "failed");
});

test("a model's endpoint that answers so cannot be reached", limits, async () => {
  await using model = await startChanging();
  const connections = openEndpoints({});
  const endpoint = connections.endpoint("changing", {
    ...{ url: model.url.href, api: "openai", usage: true },
    ...{ firstByteWithin: 20_000, stallAfter: 20_000, longest: 20_000 },
  });
  const asked = { dialect: openai, body: Buffer.from("{}"), headers: {} };
  await assert.rejects(endpoint.ask(asked, patience()), {
    name: "EndpointTrouble",
    message: /answered 101/,
  });
  connections.close();
});

test(
  "a revision that answers so is not healthy, in its sandbox and where it would serve",
  limits,
  async () => {
    await using folder = await makeFolder();
    await using port = await startChanging();
    const cwd = folder.path;
    const sandboxed = startSandboxed(argv, { cwd, env: { PORT: "0" }, port: port.port });
    assert.match(
      (await sandboxed.untilHealthy("/health", 500, patience())) ?? "",
      /did not answer/,
    );
    await sandboxed.end();
    const order = {
      ...{ revision: "a".repeat(40), directory: cwd, start: argv, env: {}, settings: "1" },
      ...{ host: "127.0.0.1", port: 0, health: "/health", readyMs: 4_000, drainMs: 0 },
    };
    const instance = await startInstance(order, await KeeperLog.open(join(cwd, "logs")));
    assert.match((await untilHealthy(instance)) ?? "", /did not answer/);
    await instance.end();
  },
);

test(
  "a service that answers so is said not to answer, and its clients are refused",
  limits,
  async () => {
    await using folder = await makeFolder();
    await using service = await startChanging();
    const adapter = createProcessAdapter({
      ...{ service: "changing", folder: folder.path, environment: {} },
      config: {
        ...{ adapter: "process", start: ["true"], port: service.port, health: "/health" },
        ...{ env: {}, envFrom: [], ready: 1_000, drain: 0, deploy: "manual" },
      },
      mirror: () => assert.fail("nothing is checked out"),
    });
    assert.match((await adapter.health(patience())) ?? "", /did not answer/);
    const front = await Front.listen("127.0.0.1", await freePort());
    front.aim(new Target(service.port));
    const signal = AbortSignal.timeout(20_000);
    const { status } = await fetch(`http://127.0.0.1:${front.port}/`, { signal });
    assert.equal(status, 502);
    await front.close();
  },
);
