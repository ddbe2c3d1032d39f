import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { callTo } from "../src/call.ts";

/** A server that begins each answer with this, and then does what it is told. */
async function startBeginning(then: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => {
      const head = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"half":';
      socket.write(head, () => then(socket));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    call: callTo({ url: `http://127.0.0.1:${port}`, token: "none" }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("a server that dies in the midst of its answer is one that cannot be reached: it is asked again", async () => {
  await using server = await startBeginning((socket) => socket.resetAndDestroy());
  for (const answer of ["json", "bytes"] as const) {
    await assert.rejects(server.call("GET", "/v1/health", { answer }), {
      code: "server_unreachable",
      message: /broke off its answer to \/v1\/health/,
    });
  }
});

test("one that falls silent in the midst of its answer has not answered in time", async () => {
  await using server = await startBeginning(() => {});
  const silent = server.call("GET", "/v1/health", { timeoutMs: 500 });
  await assert.rejects(silent, { code: "timed_out" });
});

test("whoever called off the call hears what it was called off with, also in the midst of the answer", async () => {
  for (const reason of [undefined, new Error("no longer wanted")]) {
    const begun = Promise.withResolvers<void>();
    await using server = await startBeginning(() => begun.resolve());
    const leaving = new AbortController();
    const call = server.call("GET", "/v1/health", { signal: leaving.signal });
    const refused = assert.rejects(call, reason ?? { name: "AbortError" });
    await begun.promise;
    leaving.abort(reason);
    await refused;
    const late = server.call("GET", "/v1/health", { signal: leaving.signal });
    await assert.rejects(late, reason ?? { name: "AbortError" });
  }
});
