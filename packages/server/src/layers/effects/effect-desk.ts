/**
 * How effects change. The usual path is one statement to begin and one to confirm; whatever is not plain is
 * decided by `effect.ts` under the effect's lock.
 *
 * A compensation, and a proxy that stands before tools of others, will begin and confirm here as well.
 */
import type { Effect as ApiEffect, EffectBegun } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import { type Actor, nameOf } from "../../http/actor.ts";
import type { Json } from "../../json/canonical.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import type { Db, Tx } from "../../store/database.ts";
import { countInSession, sessionIsOver } from "../../store/living-session.ts";
import { lockOwnSession, type NamedSession, requireOwnSession } from "../../store/own-session.ts";
import { newChangeId, type World } from "../../world.ts";
import {
  type Begin,
  begin,
  confirm,
  dispatch,
  doubt,
  type Effect,
  fail,
  hearLate,
  type LateWord,
  type Settled,
  settle,
} from "./effect.ts";
import { toApi } from "./effect-schemas.ts";
import {
  beginNew,
  confirmPlainly,
  type Key,
  lockByKey,
  lockEffect,
  saveEffect,
} from "./effect-store.ts";

export interface EffectDesk {
  begin(actor: Actor, key: Key, asked: Begin): Promise<EffectBegun>;
  dispatch(actor: Actor, id: string, by: Pick<Begin, "session" | "attempt">): Promise<ApiEffect>;
  confirm(actor: Actor, id: string, session: string, result: Json): Promise<ApiEffect>;
  fail(actor: Actor, id: string, session: string, error: string): Promise<ApiEffect>;
  doubt(actor: Actor, id: string, session: string, error: string): Promise<ApiEffect>;
  settle(actor: Actor, id: string, found: Found): Promise<ApiEffect>;
}

export interface Found {
  readonly happened: boolean;
  readonly result: Json;
  readonly because: string;
  readonly session: string | null;
}

export interface EffectDeskDeps {
  readonly db: Db;
  readonly world: World;
}

export function createEffectDesk({ db, world }: EffectDeskDeps): EffectDesk {
  /** By the arrow, in a living session of the effect's own agent. */
  async function inSession(
    actor: Actor,
    id: string,
    named: string,
    arrow: (effect: Effect, session: NamedSession, at: Date) => Effect,
  ): Promise<ApiEffect> {
    return await db.begin(async (tx) => {
      const session = await requireOwnSession(tx, named, ownAgent(actor));
      const effect = await lockEffect(tx, id);
      requireSameAgent(effect, session);
      return toApi(await keep(tx, effect, arrow(effect, session, world.now())));
    });
  }

  /** How it went, by whoever dispatched it; a session that is over is heard, and fenced (E4). */
  async function ended(
    actor: Actor,
    id: string,
    named: string,
    word: Omit<LateWord, "session" | "at">,
    arrow: (effect: Effect, settled: Settled) => Effect,
  ): Promise<ApiEffect> {
    const kept = await db.begin(async (tx) => {
      const session = await lockOwnSession(tx, named, ownAgent(actor));
      const effect = await lockEffect(tx, id);
      requireSameAgent(effect, session);
      const at = world.now();
      if (session.over) {
        const heard = hearLate(effect, { ...word, session: session.id, at });
        if (heard !== effect) await saveEffect(tx, heard);
        return { fenced: true, isKept: heard.late?.session === session.id } as const;
      }
      const next = arrow(effect, { at, by: session.agent, because: null });
      return { fenced: false, effect: await keep(tx, effect, next) } as const;
    });
    if (kept.fenced) throw fenced(named, id, kept.isKept);
    return toApi(kept.effect);
  }

  /** Writes what changed. What was confirmed is a change of the ledger, and a piece of work done. */
  async function keep(tx: Tx, before: Effect, after: Effect): Promise<Effect> {
    if (after === before) return after;
    await saveEffect(tx, after);
    const { phase } = after;
    if (phase.state !== "confirmed" || before.phase.state === "confirmed") return after;
    const { at, by, because } = phase.settled;
    await recordChanges(tx, [
      {
        ...{ id: newChangeId(world), at, layer: "effects", kind: after.kind, target: after.agent },
        ...{ agent: after.agent, task: after.task, session: after.session, to: after.id },
        reason: because ?? "",
        details: {
          ...{ key: after.key, nature: after.nature, attempts: after.attempts },
          ...(because === null ? {} : { settledBy: by }),
        },
      },
    ]);
    if (because === null) await countInSession(tx, after.session, at);
    return after;
  }

  return {
    async begin(actor, key, asked) {
      const own = ownAgent(actor);
      const begun = await beginNew(db, key, asked, own, world.now());
      if (begun !== null) return { effect: toApi(begun), go: asked.dispatch ? "run" : "wait" };
      return await db.begin(async (tx) => {
        const session = await requireOwnSession(tx, asked.session, own);
        const effect = await lockByKey(tx, session.agent, key);
        if (effect === null) throw new Error(`the effect of the key ${key.key} is gone`);
        const next = begin(effect, asked, world.now());
        return { go: next.go, effect: toApi(await keep(tx, effect, next.effect)) };
      });
    },
    dispatch: (actor, id, by) =>
      inSession(actor, id, by.session, (effect, { id: session }, at) =>
        dispatch(effect, { session, attempt: by.attempt }, at),
      ),
    async confirm(actor, id, session, result) {
      const by = { session, agent: ownAgent(actor) };
      const change = newChangeId(world);
      const plain = await confirmPlainly(db, id, by, { result, at: world.now(), change });
      if (plain !== null) return toApi(plain);
      const word = { state: "confirmed", result, error: null } as const;
      return await ended(actor, id, session, word, (effect, settled) =>
        confirm(effect, session, result, settled),
      );
    },
    fail(actor, id, session, error) {
      const word = { state: "failed", result: null, error } as const;
      return ended(actor, id, session, word, (effect, settled) =>
        fail(effect, session, error, settled),
      );
    },
    doubt: (actor, id, session, error) =>
      inSession(actor, id, session, (effect) => doubt(effect, session, error)),
    async settle(actor, id, { session, ...found }) {
      if (session === null && actor.role === "agent") {
        throw new Fault("bad_input", "Name the living session that found it out.", {
          context: { path: "session" },
        });
      }
      return await db.begin(async (tx) => {
        const by = session === null ? null : await requireOwnSession(tx, session, ownAgent(actor));
        const effect = await lockEffect(tx, id);
        if (by !== null) requireSameAgent(effect, by);
        const settled = { at: world.now(), by: nameOf(actor), because: found.because };
        return toApi(await keep(tx, effect, settle(effect, found, settled)));
      });
    },
  };
}

/** Whose sessions the actor may name; null: anybody's. */
function ownAgent(actor: Actor): string | null {
  return actor.role === "agent" ? actor.agent : null;
}

function requireSameAgent(effect: Effect, session: NamedSession): void {
  if (effect.agent === session.agent) return;
  throw new Fault(
    "not_yours",
    `The effect ${effect.id} is ${effect.agent}'s, and the session ${session.id} is ${session.agent}'s: leave it to its own agent, or to an operator.`,
  );
}

function fenced(session: string, effect: string, isKept: boolean): Fault {
  if (!isKept) return sessionIsOver(session);
  return new Fault(
    "fenced",
    `The session ${session} is over, and decides nothing any more: what it says of the effect ${effect} is kept beside it, for whoever finds out what happened. Stop working, and open a new session.`,
    { context: { session, effect } },
  );
}
