/**
 * Signs of life, gathered in memory and written together.
 *
 *     beat ──> gathered (one entry per session) ──every 400 ms, one statement──> lease_until
 *
 *   H1. A thousand agents are one statement, not a thousand.
 *   H2. What counts tokens is answered after it was written; a bare sign of life at once. One that is lost
 *       with the server costs nothing: leases run only while a server attends to them.
 *   H3. A session that a statement found ended is remembered, and told so at its next beat.
 */
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type Actor, actingAgent } from "../http/actor.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import { sessionIsOver } from "../store/living-session.ts";
import type { World } from "../world.ts";
import { flushEveryMs } from "./session.ts";
import { type Beat, type Beating, findFenced, markSuspect, writeBeats } from "./session-store.ts";

export interface Heartbeats {
  /** Resolves with the lease's new end. `fenced` when the session is over, `not_found`, `not_yours`. */
  beat(
    id: string,
    actor: Actor,
    beat: { readonly tokens: number; readonly onRecovery: number; readonly by: Beating },
  ): Promise<Date>;
  /** Any other sign of life of a session that is known to live. */
  heard(id: string): void;
  /** It has ended: told so at its next beat. Another server finds out with the beat after that. */
  over(id: string): void;
  /** Its connection was lost: shown, and no more than that. */
  lost(id: string): void;
  stop(): Promise<void>;
}

interface Known {
  readonly agent: string;
  readonly leaseMs: number;
  readonly over: boolean;
}

const knownMax = 20_000;

export function createHeartbeats({
  db,
  world,
  log,
}: {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
}): Heartbeats {
  const known = new Map<string, Known>();
  let gathered = new Map<string, Beat>();
  let lost = new Set<string>();
  let waiting: { resolve(): void; reject(error: unknown): void }[] = [];

  const flushing: Loop = startLoop({ name: "heartbeats", everyMs: flushEveryMs, log, run: flush });

  async function flush(): Promise<void> {
    const beats = [...gathered.values()];
    const suspects = [...lost].filter((id) => !gathered.has(id));
    const waiters = waiting;
    [gathered, lost, waiting] = [new Map(), new Set(), []];
    if (beats.length === 0 && suspects.length === 0) return;
    try {
      if (suspects.length > 0) await markSuspect(db, suspects, world.now());
      const living = await writeBeats(db, beats);
      for (const { id } of beats) {
        const session = known.get(id);
        if (session !== undefined && !living.has(id)) remember(id, { ...session, over: true });
      }
      for (const { resolve } of waiters) resolve();
    } catch (error) {
      // H2. What was counted is not lost: it is written with the next statement.
      for (const beat of beats) gather(beat);
      waiting.push(...waiters);
      throw error;
    }
  }

  function gather({ id, at, tokens, onRecovery, by }: Beat): void {
    const before = gathered.get(id);
    gathered.set(id, {
      id,
      at: before === undefined || at > before.at ? at : before.at,
      tokens: tokens + (before?.tokens ?? 0),
      onRecovery: onRecovery + (before?.onRecovery ?? 0),
      by: stronger(by, before?.by),
    });
  }

  function remember(id: string, session: Known): Known {
    known.delete(id);
    known.set(id, session);
    const [oldest] = known.keys();
    if (known.size > knownMax && oldest !== undefined) known.delete(oldest);
    return session;
  }

  async function look(id: string): Promise<Known> {
    const found = await findFenced(db, id);
    if (found !== null) return remember(id, found);
    throw new Fault("not_found", `There is no session ${id}: open one before you keep it alive.`);
  }

  return {
    async beat(id, actor, { tokens, onRecovery, by }) {
      const at = world.now();
      const { agent, leaseMs, over } = known.get(id) ?? (await look(id));
      actingAgent(actor, agent);
      if (over) throw sessionIsOver(id);
      gather({ id, at, tokens, onRecovery, by });
      if (tokens > 0 || onRecovery > 0) {
        await new Promise<void>((resolve, reject) => {
          waiting.push({ resolve, reject });
          flushing.wake();
        });
      }
      return new Date(at.getTime() + leaseMs);
    },
    heard(id) {
      gather({ id, at: world.now(), tokens: 0, onRecovery: 0, by: "call" });
    },
    over(id) {
      const session = known.get(id);
      if (session !== undefined) remember(id, { ...session, over: true });
    },
    lost(id) {
      lost.add(id);
    },
    async stop() {
      await flushing.stop();
      await flush().catch((error: unknown) => {
        for (const { reject } of waiting) reject(error);
      });
    },
  };
}

const strength: readonly Beating[] = ["wrapper", "call", "agent"];

/** Of two signs of life that are written as one: whose word counts for more. */
function stronger(one: Beating, other: Beating = "wrapper"): Beating {
  return strength.indexOf(one) >= strength.indexOf(other) ? one : other;
}
