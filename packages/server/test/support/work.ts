/** A server with agents that have roles, and their sessions: `await using world = await startWork()`. */
import assert from "node:assert/strict";
import type { Client } from "@lastgood/sdk";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startServer, type TestServer } from "./server.ts";

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
        const rows = await db`select 1 from task_tellings where due_at <= ${realWorld.now()}`;
        return rows.length === 0;
      });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await look())) {
    assert.ok(Date.now() < deadline, `not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
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
