import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer, request as requestOf } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { freePort } from "../../src/free-port.ts";
import { Front, Target } from "../../src/layers/runtime/keeper-front.ts";
import { KeeperLog, logBytesMax, readLog } from "../../src/layers/runtime/keeper-log.ts";

test("a log keeps to its bound and its end can be read, in whole lines", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-log-"));
  try {
    const log = await KeeperLog.open(folder);
    const stream = new PassThrough();
    const copied = log.copy(stream, "api[1]", () => {});
    const line = "x".repeat(1_000);
    for (let n = 0; n < 12_000; n++) {
      if (!stream.write(`${n} ${line}\n`))
        await new Promise((resolve) => stream.once("drain", resolve));
    }
    stream.end("the last, without an end of line");
    await copied;
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
    );
    assert.equal(sizes.length, 2);
    for (const size of sizes) assert.ok(size < logBytesMax + 200_000, `${size}`);
    const tail = await readLog(folder, 10_000);
    const lines = tail.trimEnd().split("\n");
    assert.match(lines.at(-1) ?? "", /api\[1\] the last, without an end of line$/);
    assert.match(lines.at(-2) ?? "", / 11999 x+$/);
    assert.match(lines[0] ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z api\[1\] \d+ x{1000}$/);
    assert.ok(
      (await readLog(folder, 6_000_000)).length > logBytesMax,
      "it reads across both files",
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a connection that changes its protocol goes through the front and counts as in flight", async () => {
  const instance = createServer();
  instance.on("upgrade", (_request, socket, head) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n",
    );
    socket.write(head);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => instance.listen(0, "127.0.0.1", resolve));
  const front = await Front.listen("127.0.0.1", await freePort());
  const target = new Target((instance.address() as AddressInfo).port);
  front.aim(target);
  const request = requestOf({
    port: front.port,
    headers: { connection: "upgrade", upgrade: "echo" },
  });
  request.end();
  const echoed = await new Promise<string>((resolve, reject) => {
    request.once("error", reject);
    request.once("upgrade", (_answer, socket) => {
      assert.equal(target.inFlight, 1);
      socket.once("data", (chunk: Buffer) => {
        resolve(chunk.toString());
        socket.end();
      });
      socket.write("hello");
    });
  });
  assert.equal(echoed, "hello");
  assert.equal(await target.drained(5_000), true);
  front.aim(null);
  assert.equal((await fetch(`http://127.0.0.1:${front.port}`)).status, 503);
  await front.close();
  instance.close();
});

test("a request without a body is sent again when its idle connection was closed under it", async () => {
  // Answers the first request of each connection and closes it under the second, as a race does.
  const handled: string[] = [];
  let closedUnder = 0;
  const seen = new Set<unknown>();
  const instance = createServer((request, reply) => {
    if (seen.has(request.socket)) {
      closedUnder += 1;
      request.socket.destroy();
      return;
    }
    seen.add(request.socket);
    handled.push(request.method ?? "");
    reply.end("ok");
  });
  await new Promise<void>((resolve) => instance.listen(0, "127.0.0.1", resolve));
  const front = await Front.listen("127.0.0.1", await freePort());
  const target = new Target((instance.address() as AddressInfo).port);
  front.aim(target);
  const url = `http://127.0.0.1:${front.port}`;
  const methods = ["GET", "GET", "POST", "GET", "POST", "HEAD"];
  for (const method of methods) {
    const signal = AbortSignal.timeout(5_000);
    const answer = await fetch(url, { method, signal, ...(method === "POST" && { body: "x" }) });
    assert.equal(answer.status, 200);
    await answer.text();
  }
  assert.deepEqual(handled, methods, "each was handled once");
  assert.ok(closedUnder > 0);
  target.idle.destroy();
  await front.close();
  instance.close();
});
