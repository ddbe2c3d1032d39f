/** A server with agents that have roles, and their sessions: `await using world = await startWork()`. */
import assert from "node:assert/strict";
import type { Client } from "@lastgood/sdk";
import type { Db, Tx } from "../../src/store/database.ts";
import { startServer, type TestServer } from "./server.ts";
import { until } from "./until.ts";

export interface Work extends AsyncDisposable {
  readonly server: TestServer;
  readonly db: Db;
  /** As an admin. */
  readonly client: Client;
  as(agent: string): Promise<Client>;
  /** Opens a session of the agent; the one before it is over. */
  open(agent: string, effects?: "replay" | "fork"): Promise<string>;
  /** Ends a session as a crash. */
  crash(session: string): Promise<void>;
  /** All that the inbox of an agent or a role gives, acknowledged; waits for the first. */
  read(consumer: string): Promise<readonly Told[]>;
  /** Nobody must hear of anything any more. */
  allTold(): Promise<void>;
}

export interface Told {
  readonly type: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const roles = ["writers"];
const agents = {
  lead: {},
  ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`writer-${n}`, { roles }])),
  loner: {},
};
/** Longer than any test: nobody here sends heartbeats. */
const leaseMs = 600_000;

export async function startWork(): Promise<Work> {
  const server = await startServer({ agents });
  const { client, clientAs } = server;
  const { db } = server.lastgood;
  const clients = new Map<string, Promise<Client>>();
  const as = (agent: string) => {
    const made = clients.get(agent) ?? clientAs("agent", agent);
    clients.set(agent, made);
    return made;
  };
  return {
    ...{ server, db, client, as },
    async open(agent, effects = "replay") {
      const opened = await (await as(agent)).openSession({ leaseMs, effects });
      return opened.record.session_id;
    },
    async crash(session) {
      await client.endSession(session, { reason: "crashed", detail: "exit code 137" });
    },
    async read(consumer) {
      const told: Told[] = [];
      for (let waitMs = 10_000; ; waitMs = 0) {
        const { messages } = await client.fetchMessages(consumer, { waitMs, max: 1 });
        const [message] = messages;
        if (message === undefined) return told;
        told.push(message.payload as Told);
        await client.ackMessage(message.token);
      }
    },
    async allTold() {
      await until("all is told", async () => {
        const rows = await db`select 1 from task_tellings`;
        return rows.length === 0 || null;
      });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/**
 * Kills the connection of `call` in the middle of its transaction: while it waits for the row that `lock` holds.
 * It must fail, and the world be as it was.
 */
export async function killedWaiting(
  db: Db,
  lock: (tx: Tx) => Promise<unknown>,
  call: () => Promise<unknown>,
): Promise<void> {
  await db.begin(async (tx) => {
    await lock(tx);
    let outcome: Awaited<ReturnType<typeof outcomesOf>> | null = null;
    const asked = outcomesOf([call()]).then((its) => {
      outcome = its;
    });
    await until("it waits, and its connection is killed", async () => {
      // A loop that waits for the same row is killed as well: it alone is not enough.
      await db`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return outcome !== null;
    });
    await asked;
    assert.deepEqual(outcome, { done: 0, codes: ["store_unreachable"] });
  });
}

/** How many of the calls went well, and the codes with which the others were refused. */
export async function outcomesOf(
  calls: readonly Promise<unknown>[],
): Promise<{ readonly done: number; readonly codes: readonly string[] }> {
  const settled = await Promise.allSettled(calls);
  const codes = settled.flatMap((each) =>
    each.status === "rejected" ? [String((each.reason as { code?: unknown }).code)] : [],
  );
  return { done: settled.length - codes.length, codes };
}
