/**
 * The messages room, put together: one desk, one post and one set of books on either engine.
 */
import type { MessageConsumer, MessageStream, MessagesEngine, NewMessage } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { Layer } from "../layer.ts";
import type { PutPart } from "./claim-check.ts";
import type { Core } from "./core.ts";
import { createDeclarer } from "./declare.ts";
import { admitArrivals } from "./desk.ts";
import { createDirectory } from "./directory.ts";
import { createEmbeddedEngine } from "./embedded-engine.ts";
import type { MessageEngine } from "./engine.ts";
import type { Inboxes } from "./inboxes.ts";
import { createMessagesLayer } from "./messages-layer.ts";
import { startPulse, startSweep } from "./messages-loop.ts";
import type { NatsEngineDeps } from "./nats/nats-engine.ts";
import { countRecognised } from "./pending-store.ts";
import { publish, tell } from "./post.ts";
import {
  type ConsumerFilter,
  countConsumer,
  listConsumers,
  listStreams,
} from "./registry-store.ts";
import { giveBack } from "./settle.ts";
import { createWaiters } from "./waiters.ts";
import { type Inbox, inboxesBelongingTo, type WaitingMessages, waitingFor } from "./waiting.ts";

export interface MessagesDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  /** Where content goes that is too large for its stream, when its sender asks for it. */
  readonly putPart: PutPart;
}

/** What the rest of the program may do with messages. */
export interface Messages {
  /** For this room's own routes and tests. */
  readonly core: Core;
  readonly layer: Layer<"messages">;
  readonly inboxes: Inboxes;
  publish(message: NewMessage, sender: string): Promise<void>;
  /** What a session that ended (null: every session) of this agent had in hand goes to others at once. */
  giveBack(agent: string, session: string | null): Promise<void>;
  /** Redeliveries since then that were recognised as handled. */
  recognised(since: Date, agent: string | undefined): Promise<number>;
  streams(name?: string): Promise<readonly MessageStream[]>;
  consumers(filter?: ConsumerFilter): Promise<readonly MessageConsumer[]>;
  /** The inboxes of an agent and of its roles that there are. */
  inboxesOf(agent: string, roles: readonly string[]): Promise<readonly Inbox[]>;
  /** What these consumers have not settled, oldest first, without taking any of it. */
  waitingFor(consumers: readonly string[], limit: number): Promise<WaitingMessages>;
  engine(): MessagesEngine;
  /** Nobody waits for messages any longer: who does is answered with none. */
  endWaits(): void;
  /** Loops and connections end. */
  stop(): Promise<void>;
}

/** How long the start waits for an engine that is away; after that the sweep goes on trying. */
export async function createMessages(deps: MessagesDeps): Promise<Messages> {
  const { db, world, log, configuration, putPart } = deps;
  const stopping = new AbortController();
  const waiters = createWaiters();
  const timers = new Set<NodeJS.Timeout>();
  const endWaits = () => {
    stopping.abort();
    waiters.close();
  };
  const engine = await openEngine(deps, {
    waiters,
    back() {
      for (const consumer of waiters.waiting().keys()) waiters.wake(consumer);
      core.sweepSoon();
    },
    admit: (consumer, arrivals) => admitArrivals(core, consumer, arrivals),
  });
  const core: Core = {
    ...{
      db,
      world,
      engine,
      waiters,
      putPart,
      directory: createDirectory(db),
      stopping: stopping.signal,
    },
    wakeIn(consumer, ms) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        waiters.wake(consumer);
      }, ms);
      timers.add(timer);
    },
    sweepSoon: () => sweeping.wake(),
  };
  const declare = createDeclarer(core, configuration, log);
  await declare().catch((error: unknown) => {
    // Without NATS the server starts all the same: the sweep makes what is declared when it is back.
    if (!(error instanceof Fault) || error.code !== "layer_unreachable") throw error;
  });
  const pulse = startPulse(core, log);
  const sweeping = startSweep({ core, log, declare });
  return {
    core,
    layer: createMessagesLayer(core, () => configuration.current()),
    inboxes: { tell: (agent, message) => tell(core, agent, message) },
    async publish(message, sender) {
      await publish(core, message, sender);
    },
    giveBack: (agent, session) => giveBack(core, { holder: agent, session }),
    recognised: (since, agent) => countRecognised(db, since, agent),
    streams: (name) => describeStreams(core, name),
    consumers: (filter) => describeConsumers(core, filter),
    inboxesOf: (agent, roles) => inboxesBelongingTo(db, agent, roles),
    waitingFor: (consumers, limit) => waitingFor(core, consumers, limit),
    engine: () => engine.describe(),
    endWaits,
    async stop() {
      endWaits();
      for (const timer of timers) clearTimeout(timer);
      await Promise.all([pulse.stop(), sweeping.stop()]);
      await engine.stop();
    },
  };
}

async function openEngine(
  { db, log, configuration }: MessagesDeps,
  { waiters, admit, back }: Pick<Core, "waiters"> & Pick<NatsEngineDeps, "admit" | "back">,
): Promise<MessageEngine> {
  const { engine, url } = configuration.current().messages;
  if (engine === "nats") {
    // Its client is loaded only where there is NATS.
    const { createNatsEngine } = await import("./nats/nats-engine.ts");
    return createNatsEngine({
      url,
      log,
      admit,
      wake: (consumer) => waiters.wake(consumer),
      back,
    });
  }
  const [row] = await db<
    { version: string }[]
  >`select current_setting('server_version') as version`;
  return createEmbeddedEngine({ db, waiters, version: `PostgreSQL ${row?.version ?? ""}` });
}

async function describeStreams(core: Core, name?: string): Promise<readonly MessageStream[]> {
  const rows = await listStreams(core.db, name);
  return await inGroups(rows, async (row) => ({
    ...row,
    ...(await core.engine.streamState(row.name)),
  }));
}

async function describeConsumers(
  core: Core,
  filter?: ConsumerFilter,
): Promise<readonly MessageConsumer[]> {
  const rows = await listConsumers(core.db, filter);
  return await inGroups(rows, async (row) => {
    const [figures, unread] = await Promise.all([
      countConsumer(core.db, row.name),
      core.engine.unread(row),
    ]);
    return {
      ...row,
      holds: row.holds.map((hold) => ({ ...hold, at: hold.at.toISOString() })),
      waiting: unread + figures.due,
      inFlight: figures.inFlight,
      resting: figures.resting,
      handled: figures.handled,
      deadLetters: figures.deadLetters,
      oldestWaitingAt: figures.oldest?.toISOString() ?? null,
    };
  });
}

const together = 8;

async function inGroups<From, To>(
  items: readonly From[],
  work: (item: From) => Promise<To>,
): Promise<readonly To[]> {
  const done: To[] = [];
  for (let index = 0; index < items.length; index += together) {
    done.push(...(await Promise.all(items.slice(index, index + together).map(work))));
  }
  return done;
}
