/**
 * A world that one task has broken in every layer: a commit that is served, a document, messages that
 * died of it. Real git, a real process, real PostgreSQL; the server over it comes and goes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient, type Recovery } from "@lastgood/sdk";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { freePort } from "../../src/free-port.ts";
import { createToken } from "../../src/http/tokens.ts";
import { type Lastgood, type Seams, startLastgood } from "../../src/main.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { createOrigin, type Origin, run } from "../code/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import type { KilledServerOptions } from "./killed-server.ts";

export interface BrokenWorld extends AsyncDisposable {
  readonly db: Db;
  /** What a server needs to be the next one over this world. */
  readonly server: Omit<KilledServerOptions, "holdAt">;
  readonly origin: Origin;
  /** What the service answers; undefined where nothing does. */
  asked(path: string): Promise<string | undefined>;
  clientOf(url: string): Client;
  /** Another operator of the server that was started last in this process. */
  as(name: string): Promise<Client>;
  /** Starts the next server in this process. */
  start(seams?: Seams): Promise<Client>;
  /** Lets the task do its damage, and plans what takes it back. */
  breakAndPlan(client: Client): Promise<Recovery>;
  /** Everything that must be the same however often the server died. */
  read(client: Client): Promise<unknown>;
}

const source = `
import { createServer } from "node:http";
import { text } from "./text.mjs";
createServer((request, reply) => reply.end(request.url === "/revision" ? process.env.REVISION : text))
  .listen(Number(process.env.PORT), "127.0.0.1");
`;
const task = "T-1";
const inbox = "marketing-durable-v1";
/** How long this world is waited for: it starts processes of its own. */
export const patienceMs = 150_000;

export async function startBrokenWorld(): Promise<BrokenWorld> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-killed-"));
  const store = await startDatabase({ max: 4 });
  const { db } = store;
  const origin = createOrigin(folder);
  const port = await freePort();
  const server = {
    folder,
    home: join(folder, "home"),
    databaseUrl: store.url,
    config: configOf(origin.url, port),
  };
  const token = await createToken(db, realWorld, {
    role: "admin",
    name: "test",
    agent: null,
    expiresAt: null,
  });
  const clientOf = (url: string) => createClient({ url, token });
  const started: Lastgood[] = [];
  const asked = async (path: string) => {
    try {
      return await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    } catch {
      // Between two instances nothing answers, or one ends as it does.
      return undefined;
    }
  };

  return {
    db,
    server,
    origin,
    asked,
    clientOf,
    async as(name) {
      const operator = { role: "operator", name, agent: null, expiresAt: null } as const;
      const url = started.at(-1)?.url ?? "";
      return createClient({ url, token: await createToken(db, realWorld, operator) });
    },
    async start(seams = {}) {
      const config = configSchema.parse(server.config);
      const lastgood = await startLastgood({
        ...server,
        host: "127.0.0.1",
        port: 0,
        configuration: { base: folder, current: () => config },
        seams,
        log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
      });
      started.push(lastgood);
      return clientOf(lastgood.url);
    },
    async breakAndPlan(client) {
      await client.putDocument("pages", "front", { body: { title: "as it was" } });
      origin.commit({ "server.mjs": source, "text.mjs": textOf("good") }, "first");
      origin.push();
      await until("the first revision", async () => (await asked("/")) === "good", patienceMs);
      origin.commit({ "text.mjs": textOf("bad") }, `break it\n\nTask: ${task}`);
      origin.push();
      await until("the bad revision", async () => (await asked("/")) === "bad", patienceMs);
      const broken = { title: "broken" };
      await client.putDocument("pages", "front", { body: broken, agent: "backend", task });
      await letDie(client, "one");
      await letDie(client, "two");
      await until(
        "the deploy to be in the ledger",
        async () => {
          const { changes } = await client.changes({ task, layer: "code" });
          return changes.some(({ exposures }) => exposures.length > 0);
        },
        patienceMs,
      );
      return await client.planRecovery({ task, because: "a test", contain: true });
    },
    async read(client) {
      const { body } = await client.getDocument("pages", "front");
      return {
        tree: run(origin.url, "rev-parse", "refs/heads/main^{tree}"),
        commits: run(origin.url, "rev-list", "--count", "refs/heads/main"),
        serves: await asked("/"),
        servesTip: (await asked("/revision")) === origin.tip(),
        document: body,
        ...(await readStore(db)),
      };
    },
    async [Symbol.asyncDispose]() {
      for (const lastgood of started) await lastgood.stop({ services: true });
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(url: string, port: number) {
  return {
    repositories: { api: { url, poll: "100ms" } },
    agents: {
      backend: { authors: ["backend@fleet.test"] },
      marketing: { dependsOn: ["content-api"] },
    },
    services: {
      "content-api": {
        repository: "api",
        runtime: {
          adapter: "process",
          start: ["node", "server.mjs"],
          port,
          health: "/",
          drain: "200ms",
        },
        probes: { front: { path: "/", every: "50ms" } },
      },
    },
    messages: { consumers: { [inbox]: { agent: "marketing", maxDeliver: 1 } } },
  };
}

function textOf(text: string): string {
  return `export const text = ${JSON.stringify(text)};\n`;
}

/** A message that marketing cannot handle while the damage is on: a dead letter. */
async function letDie(client: Client, id: string): Promise<void> {
  await client.publishMessage({ agent: "marketing", id, payload: { post: id } });
  const { messages } = await client.fetchMessages(inbox, { waitMs: 5_000 });
  for (const { token } of messages) await client.nakMessage(token, { reason: "503" });
}

/** Agents that work: they take what comes and acknowledge it, until stopped. Returns how often each came. */
export function startHandling(client: Client) {
  const stopping = new AbortController();
  const handled = new Map<string, number>();
  async function handle(consumer: string): Promise<void> {
    while (!stopping.signal.aborted) {
      const { messages } = await client.fetchMessages(consumer, { waitMs: 500 });
      for (const { id, token } of messages) {
        handled.set(id, (handled.get(id) ?? 0) + 1);
        await client.ackMessage(token);
      }
    }
  }
  const hands = Promise.all([handle(inbox), handle("backend-durable-v1")]);
  return async () => {
    stopping.abort();
    await hands;
    return { one: handled.get("one") ?? 0, two: handled.get("two") ?? 0 };
  };
}

async function readStore(db: Db) {
  const [counts] = await db`
    select (select jsonb_agg(jsonb_build_object('v', ver::int, 'op', op) order by ver)
              from document_versions) as versions,
           (select jsonb_agg(jsonb_build_object('id', message_id, 'state', state) order by message_id)
              from dead_letters) as "deadLetters",
           (select jsonb_object_agg(stream, n) from
              (select stream, count(*)::int as n from message_log group by stream) l) as messages,
           (select jsonb_object_agg(consumer, n) from
              (select consumer, count(*)::int as n from message_handled group by consumer) h) as handled,
           (select count(*)::int from message_requeues) as requeues,
           (select count(*)::int from message_pending) as pending,
           (select count(*)::int from message_holds) as holds,
           (select jsonb_agg(reinstated_at is not null) from containments) as reinstated,
           (select count(*)::int from tokens where suspended_because is not null) as suspended,
           (select count(*)::int from bars) as bars,
           (select jsonb_object_agg(what, n) from
              (select layer || ' ' || kind as what, count(*)::int as n
               from changes group by 1) c) as changes,
           (select jsonb_object_agg(state, n) from
              (select state, count(*)::int as n from recoveries group by 1) r) as recoveries,
           (select jsonb_agg(state order by index) from recovery_steps) as steps`;
  return counts;
}
