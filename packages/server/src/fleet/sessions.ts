/**
 * Sessions begin and end here, and nowhere else.
 *
 *     open ──> live ──> suspect (its connection was lost) ──> live
 *                │ end: completed, stopped                     (clean)
 *                │ its process is gone, its lease ran out ───> crashed, hung, evicted
 *                │ another session of the agent opens ───────> fenced
 *                └ its agent is contained or parked ─────────> fenced, parked
 *
 *   S1. An agent lives once: opening another session fences the one before (a unique index holds it).
 *   S2. Ending a session, giving back what it had claimed and doubting what it had dispatched are one
 *       transaction; it waits for whoever writes in the session's name at that moment.
 *   S3. What lies outside that transaction (messages in its hands, whom to tell) is settled afterwards, by
 *       whoever comes by, until it is done: a server that dies in between leaves nothing claimed.
 *   S4. A death is told once. A clean end, and an agent stopped on purpose, is told to nobody.
 */
import type { NewSession, OpenedSession, SessionEnd } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { AgentName } from "../ids.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import type { NewChange } from "../ledger/change.ts";
import { recordChanges } from "../ledger/ledger-store.ts";
import type { Db, Tx } from "../store/database.ts";
import { newChangeId, type World } from "../world.ts";
import { reinstateAgent } from "./fleet-store.ts";
import {
  isDeath,
  isStorm,
  needsRecovery,
  type Session,
  sessionId,
  toApi,
  toRecord,
} from "./session.ts";
import {
  deathsOf,
  type Ending,
  findSessions,
  insertSession,
  lockAgent,
  markEnded,
  markSettled,
  parkAgent,
  unparkAgent,
} from "./session-store.ts";

/** What another room does when a session ends, in the very transaction that ends it. */
export type SessionEnded = (tx: Tx, session: { id: string; agent: string }) => Promise<void>;

export interface SessionsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly inboxes: Inboxes;
  readonly ended: readonly SessionEnded[];
  /** Messages in the hands of a session that is over go to others at once. */
  giveBack(agent: string, session: string): Promise<void>;
  /** An agent that dies again and again was parked: a person must look. Safe to repeat. */
  parked(agent: string, because: string): Promise<void>;
  /** It was released: nobody needs to be called any longer. */
  released(agent: string, by: string, because: string): Promise<void>;
  /** Called once for each session that ended, for the figures. */
  counted?(session: Session): void;
}

export interface Sessions {
  open(agent: string, asked: NewSession): Promise<OpenedSession>;
  /** Safe to repeat: what was recorded first stays. */
  end(id: string, end: SessionEnd): Promise<Session>;
  /** Ends the agent's living session, if any, for a reason of ours. In the caller's transaction. */
  endLiving(tx: Tx, agent: string, reason: "fenced" | "parked", detail: string): Promise<void>;
  /** A death that was noticed: ends the session, and parks its agent if it is a storm. */
  died(session: Session, reason: "crashed" | "hung", detail: string): Promise<void>;
  /** S3. */
  settle(session: Session): Promise<void>;
  release(agent: string, by: string, because: string): Promise<void>;
  /** `not_found`. */
  require(id: string): Promise<Session>;
}

const leaseMsDefault = 10_000;
const heartbeatMsMax = 3_000;
const stormLooksAt = 10;

export function createSessions(deps: SessionsDeps): Sessions {
  const { db, world } = deps;

  async function endIn(tx: Tx, session: Session, ending: Ending): Promise<boolean> {
    if (!(await markEnded(tx, session.id, ending))) return false;
    for (const ended of deps.ended) await ended(tx, { id: session.id, agent: session.agent });
    if (isDeath(ending.reason)) await parkInStorm(tx, session.agent, ending.at);
    return true;
  }

  async function parkInStorm(tx: Tx, agent: string, at: Date): Promise<void> {
    const died = await deathsOf(tx, agent, stormLooksAt);
    if (!isStorm(died, at)) return;
    await parkAgent(tx, agent, at, `it died ${died.length} times, the last three within a minute`);
  }

  async function living(tx: Tx, agent: string): Promise<Session | null> {
    const [session] = await findSessions(tx, { agent, living: true, limit: 1 });
    return session ?? null;
  }

  async function begin(tx: Tx, agent: string, asked: NewSession) {
    const row = await lockAgent(tx, agent);
    if (row.parkedAt !== null) throw isParked(agent, row.parkedBecause ?? "");
    const now = world.now();
    const older = await living(tx, agent);
    const id = await freeId(tx, agent, now);
    if (older !== null) {
      const detail = `${id} took its place`;
      await endIn(tx, older, { at: now, reason: "fenced", detail, detectedAt: null, fencedBy: id });
    }
    const [before] = await findSessions(tx, { agent, limit: 1 });
    const leaseMs = asked.leaseMs ?? leaseMsDefault;
    const session: Session = {
      ...{ id, agent, epoch: row.epoch + 1, door: asked.door ?? "http", startedAt: now },
      ...{ endedAt: null, exitReason: null, detectedAt: null, detail: "", suspectSince: null },
      ...{ leaseMs, leaseUntil: new Date(now.getTime() + leaseMs), heardAt: now },
      previous: before?.id ?? null,
      ...{ tasksStarted: [], tasksCompleted: [], commits: [], messagesProcessed: 0 },
      ...{ tokenUsage: 0, recoveryTokens: 0 },
      workTree: asked.workTree ?? null,
      process: asked.process ?? null,
    };
    await insertSession(tx, session, asked.effects === "fork" ? id : row.fork);
    return { session, before: before ?? null, older };
  }

  async function freeId(tx: Tx, agent: string, now: Date): Promise<string> {
    const plain = sessionId(agent, now, null);
    const taken = await tx`select 1 from sessions where id = ${plain}`;
    return taken.length === 0 ? plain : sessionId(agent, now, world.randomBytes(2));
  }

  async function settle(session: Session): Promise<void> {
    await deps.giveBack(session.agent, session.id);
    if (isDeath(session.exitReason)) {
      await tellOfDeath(deps, session);
      const [row] = await db<{ because: string }[]>`
        select parked_because as because from agents
        where name = ${session.agent} and parked_at is not null`;
      if (row !== undefined) await deps.parked(session.agent, row.because);
    }
    if (await markSettled(db, session.id, world.now())) deps.counted?.(session);
  }

  async function require(id: string): Promise<Session> {
    const [session] = await findSessions(db, { id, limit: 1 });
    if (session !== undefined) return session;
    throw new Fault(
      "not_found",
      `There is no session ${id.slice(0, 200)}: list them with \`lastgood sessions\`.`,
    );
  }

  async function endOnce(session: Session, ending: Ending): Promise<boolean> {
    return await db.begin(async (tx) => {
      await lockAgent(tx, session.agent);
      return await endIn(tx, session, ending);
    });
  }

  return {
    require,
    settle,
    async open(agent, asked) {
      const { session, before, older } = await db.begin((tx) => begin(tx, agent, asked));
      if (older !== null) await settle(await require(older.id));
      return {
        ...toApi(session),
        recovery: needsRecovery(before) ? "full" : "fresh",
        before: before === null ? null : toRecord(before),
        heartbeatMs: Math.min(heartbeatMsMax, Math.floor(session.leaseMs / 3)),
      };
    },
    async end(id, { reason, detail = "" }) {
      const session = await require(id);
      const at = world.now();
      const detectedAt = isDeath(reason) ? at : null;
      await endOnce(session, { at, reason, detail, detectedAt, fencedBy: null });
      // Whoever ended it settles it at once; the loop does where that did not happen.
      const after = await require(id);
      await settle(after);
      return after;
    },
    async endLiving(tx, agent, reason, detail) {
      await lockAgent(tx, agent);
      const session = await living(tx, agent);
      const at = world.now();
      if (session === null) return;
      await endIn(tx, session, { at, reason, detail, detectedAt: null, fencedBy: null });
    },
    async died(session, reason, detail) {
      const at = world.now();
      const unheardSince = session.heardAt;
      const ending = { at, reason, detail, detectedAt: at, fencedBy: null, unheardSince };
      if (await endOnce(session, ending)) await settle(await require(session.id));
    },
    async release(agent, by, because) {
      const at = world.now();
      const was = await db.begin(async (tx) => {
        // In the order in which containing an agent and fencing its session takes the two.
        const contained = await reinstateAgent(tx, agent as AgentName, "all", at);
        const parked = await unparkAgent(tx, agent, at);
        if (contained) await recordChanges(tx, [reinstated(world, { agent, by, because, at })]);
        return { parked, contained };
      });
      if (was.parked) await deps.released(agent, by, because);
      else if (!was.contained) {
        throw new Fault(
          "state_forbids",
          `${agent} is not parked and not contained: it may start as it is.`,
        );
      }
    },
  };
}

function reinstated(
  world: World,
  told: {
    readonly agent: string;
    readonly by: string;
    readonly because: string;
    readonly at: Date;
  },
): NewChange {
  const { agent: target, by: agent, because: reason, at } = told;
  return { id: newChangeId(world), at, layer: "fleet", kind: "reinstate", target, agent, reason };
}

function isParked(agent: string, because: string): Fault {
  return new Fault(
    "parked",
    `${agent} is parked: ${because}. Find out why, then let it start again with \`lastgood agents release ${agent} "why"\`.`,
    { context: { agent } },
  );
}

/** S4. Its owner hears of it, where that is an agent; a person sees it in the figures and is not called. */
async function tellOfDeath({ configuration, inboxes }: SessionsDeps, session: Session) {
  const { agents } = configuration.current();
  const owner = agents[session.agent]?.owner;
  if (owner === undefined || !Object.hasOwn(agents, owner)) return;
  await inboxes.tell(owner, {
    id: `${session.id}-died`,
    type: "session.died",
    text: `The session ${session.id} of ${session.agent} ${session.exitReason}: ${session.detail}`,
    details: { session: session.id, agent: session.agent, reason: session.exitReason },
  });
}
