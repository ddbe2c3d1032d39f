/** Streams of whoever does not read what it asked for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import fastify, { type FastifyReply } from "fastify";
import { createStreams, unreadBytesMax } from "../../src/releases/ofrep-stream.ts";
import type { Snapshot } from "../../src/releases/snapshot.ts";
import { until } from "../support/until.ts";

type Raw = FastifyReply["raw"];

interface Stage extends AsyncDisposable {
  move(): void;
  /** A client, and the answer that it gets. */
  join(): Promise<{ readonly socket: Socket; readonly raw: Raw }>;
}

async function startStage(lookEveryMs: number): Promise<Stage> {
  const listeners = new Set<(snapshot: Snapshot) => void>();
  const snapshotAt = (epoch: number): Snapshot => ({
    ...{ environment: "production", epoch, line: String(epoch), pins: new Map() },
  });
  const streams = createStreams(
    {
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      follow: () => () => {},
    },
    lookEveryMs,
  );
  const opened: Raw[] = [];
  const app = fastify();
  app.get("/", async (_request, reply) => {
    streams.open(reply, snapshotAt(0), null);
    opened.push(reply.raw);
    return reply;
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  const sockets: Socket[] = [];
  let epoch = 0;
  return {
    move() {
      epoch += 1;
      for (const listener of listeners) listener(snapshotAt(epoch));
    },
    async join() {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      sockets.push(socket);
      await once(socket, "connect");
      const before = opened.length;
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      const raw = await until("it to be opened", () => opened[before]);
      return { socket, raw };
    },
    async [Symbol.asyncDispose]() {
      streams.stop();
      for (const socket of sockets) socket.destroy();
      await app.close();
    },
  };
}

/** What the kernel takes in before it says that nobody reads, and much more. */
const movesMax = 1_000_000;

test("a stream that nobody reads is cut when too much waits for it, and others hear all of it", async () => {
  await using stage = await startStage(60_000);
  const { raw } = await stage.join();
  const { socket } = await stage.join();
  let heard = "";
  socket.on("data", (chunk: Buffer) => {
    heard = (heard + chunk.toString()).slice(-300);
  });
  let moves = 0;
  while (!raw.destroyed && moves < movesMax) {
    for (let n = 0; n < 500; n++, moves++) stage.move();
    await until("whoever reads to have read it", () => heard.includes(`id: ${moves}\n`));
  }
  assert.ok(raw.destroyed, `it holds ${raw.writableLength} bytes, ${unreadBytesMax} at most`);
  stage.move();
  await until("the other to hear it", () => heard.includes(`id: ${moves + 1}\n`));
});

test("a stream that is behind for two looks is cut, however little waits for it", async () => {
  await using stage = await startStage(50);
  const { raw } = await stage.join();
  await until("it to be behind", async () => {
    for (let n = 0; n < 100 && raw.writableLength === 0; n++) {
      for (let m = 0; m < 100; m++) stage.move();
      // What was written in this turn is handed to the kernel at its end.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return raw.writableLength > 0 || raw.destroyed;
  });
  await until("it to be cut", () => raw.destroyed);
});
