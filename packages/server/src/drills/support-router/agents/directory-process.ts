/** Who customers are: a shard for each part of the accounts. Shards go away when they are told to, and come back. */
import { createServer, type Server } from "node:http";
import { briefing, type DirectoryBriefing } from "./briefing.ts";

/** The shards that are to be there from now on. */
export interface DirectoryOrder {
  readonly present: readonly number[];
}

const { ports } = briefing<DirectoryBriefing>();
const shards = new Map<number, Server>();

function open(shard: number): Promise<void> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const customer = request.url?.split("/").at(-1) ?? "";
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ customer, plan: "standard", shard }));
  });
  shards.set(shard, server);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(ports[shard], "127.0.0.1", resolve);
  });
}

function close(shard: number): Promise<void> {
  const server = shards.get(shard);
  shards.delete(shard);
  server?.closeAllConnections();
  return new Promise((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });
}

async function follow({ present }: DirectoryOrder): Promise<void> {
  for (const [shard] of ports.entries()) {
    if (present.includes(shard) && !shards.has(shard)) await open(shard);
    if (!present.includes(shard) && shards.has(shard)) await close(shard);
  }
}

process.on("message", (order: DirectoryOrder) => {
  follow(order).then(
    () => process.send?.({ done: true }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
await follow({ present: [...ports.keys()] });
process.send?.({ ready: true });
