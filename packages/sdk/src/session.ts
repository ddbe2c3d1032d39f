/**
 * A session as an agent holds it: kept alive, fenced, and true to what was promised while the server is away.
 *
 *     open ──> heartbeats ──────────────────────────> end
 *                 │ fenced: `signal` aborts, every call faults `fenced`; the agent stops
 *                 │ away: records wait (at most 1,000), what needs an answer waits (at most `patienceMs`)
 *
 *   A1. What the outside world must not see twice is written down before it is dispatched, so it waits for
 *       the server; what only tells how far the work is, is kept here meanwhile and told in its order.
 *   A2. Nothing is dropped in silence: what does not fit, or could not be told at the end, is a fault.
 *   A3. A lost answer is asked for again only where asking again changes nothing.
 */
import type { Brief, BriefText } from "./api/briefs.ts";
import type { NewCheckpoint } from "./api/checkpoints.ts";
import type { Effect, NewEffect } from "./api/effects.ts";
import type { MessageDelivery } from "./api/messages.ts";
import type { ExitReason, NewSession, OpenedSession, SessionRecord } from "./api/sessions.ts";
import type { Document, DocumentPut, DocumentReceipt, JsonValue } from "./api/state.ts";
import type { Task } from "./api/tasks.ts";
import type { WorkTreeReport } from "./api/work-trees.ts";
import { createBacklog } from "./backlog.ts";
import { checkpointMessage } from "./checkpoint.ts";
import { consume, type Handling } from "./consume.ts";
import { environment } from "./environment.ts";
import { Fault } from "./fault.ts";
import type { Client } from "./operations.ts";
import { patiently } from "./patience.ts";

export interface SessionOptions extends NewSession {
  /** A session that was opened for us, as by `lastgood agent run`. Default: LASTGOOD_SESSION, if set. */
  readonly join?: string | undefined;
  /** How long a call waits for a server that is away. Default 60,000. */
  readonly patienceMs?: number | undefined;
  /** Called when the server is away, and when it refuses something that was kept for it. */
  onTrouble?(fault: Fault): void;
}

/** Thrown by `run` of an effect: it surely did not happen, and may be tried again. */
export class DidNotHappen extends Error {
  override readonly name = "DidNotHappen";
}

export interface EffectOptions<T extends JsonValue>
  extends Omit<NewEffect, "session" | "dispatch"> {
  /**
   * Acts, under an id that is the same whenever this effect is tried again: hand it on as idempotency key.
   * What it throws leaves the outcome unknown, unless it is `DidNotHappen`.
   */
  run(id: string): Promise<T> | T;
  /** Looks in the world whether it happened: its result, or `null` when it did not. */
  lookup?(effect: Effect): Promise<{ readonly result: T } | null>;
}

/** What a handler of messages may do besides working. */
export interface SessionHandling extends Handling {
  /** An effect of this very message: handled again, the message does not repeat it. */
  effect<T extends JsonValue>(options: EffectOptions<T>): Promise<T>;
}

export interface AgentSession {
  readonly id: string;
  readonly agent: string;
  /** `full`: the session before did not end cleanly. Read the brief before anything else. */
  readonly recovery: "full" | "fresh";
  readonly before: SessionRecord | null;
  /** The client, calling in this session's name. */
  readonly client: Client;
  /** Aborts, with the fault, when the session is over: stop working. */
  readonly signal: AbortSignal;
  brief(request?: { readonly workTree?: WorkTreeReport | undefined }): Promise<Brief>;
  briefText(request?: {
    readonly maxTokens?: number | undefined;
    readonly workTree?: WorkTreeReport | undefined;
  }): Promise<BriefText>;
  /** Handles the agent's messages, one after another, until `signal` or the session ends. */
  inbox(
    handler: (message: MessageDelivery, handling: SessionHandling) => void | Promise<void>,
    options?: { readonly signal?: AbortSignal; readonly concurrency?: number },
  ): Promise<void>;
  readonly state: {
    get(collection: string, id: string): Promise<Document | null>;
    put(collection: string, id: string, put: DocumentPut): Promise<DocumentReceipt>;
  };
  readonly tasks: {
    claim(id: string): Promise<Task>;
    /** Told when the server is there. */
    subtask(id: string, n: number, state: "in_progress" | "completed"): Promise<void>;
    complete(id: string, result?: JsonValue): Promise<Task>;
    fail(id: string, because: string): Promise<Task>;
    block(id: string, because: string): Promise<Task>;
  };
  /**
   * Makes a commit through `commit`, which is given the message and answers with the commit's id, and
   * records it. Resolves once it is made: the record is told when the server is there.
   */
  checkpoint(
    checkpoint: NewCheckpoint & {
      readonly repository?: string;
      commit(message: string): Promise<string> | string;
    },
  ): Promise<string>;
  /** Neither repeated nor lost, whatever dies in between. `effect_unknown` where nobody can tell. */
  effect<T extends JsonValue>(options: EffectOptions<T>): Promise<T>;
  /** Tokens that were used; those `onRecovery` went into getting back to work. */
  spent(tokens: number, options?: { readonly onRecovery?: boolean }): void;
  /** Tells what waits, and ends the session. Safe to repeat. */
  end(reason?: Exclude<ExitReason, "fenced" | "parked">, detail?: string): Promise<void>;
  /** For `await using`: ends as `completed`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const patienceMsDefault = 60_000;
const heartbeatMsMax = 10_000;

/** Opens a session of the agent, or joins the one that was opened for it. `clientIn` calls in its name. */
export async function beginSession(
  client: Client,
  clientIn: (session: string) => Client,
  { join = environment("LASTGOOD_SESSION"), ...options }: SessionOptions,
): Promise<AgentSession> {
  const { patienceMs = patienceMsDefault, onTrouble, ...asked } = options;
  const patience = { ms: patienceMs, onTrouble };
  const opened =
    join === undefined
      ? await patiently(patience, () => client.openSession({ ...asked, door: asked.door ?? "sdk" }))
      : await patiently(patience, () => joined(client, join));
  return holdSession(clientIn(opened.record.session_id), opened, patience, join !== undefined);
}

/** What opening would have told, of a session that somebody else opened. */
async function joined(client: Client, id: string): Promise<OpenedSession> {
  const session = await client.sessionOf(id);
  const before =
    session.previous === null ? null : (await client.sessionOf(session.previous)).record;
  const clean = before === null || ["completed", "stopped"].includes(before.exit_reason ?? "");
  const heartbeatMs = Math.min(heartbeatMsMax, Math.floor(session.leaseMs / 3));
  return { ...session, before, recovery: clean ? "fresh" : "full", heartbeatMs };
}

interface Patience {
  readonly ms: number;
  readonly onTrouble: ((fault: Fault) => void) | undefined;
}

function holdSession(
  client: Client,
  opened: OpenedSession,
  patience: Patience,
  isJoined: boolean,
): AgentSession {
  const { session_id: id, agent } = opened.record;
  const over = new AbortController();
  const backlog = createBacklog(patience.onTrouble);
  const spending = { tokens: 0, onRecovery: 0 };
  let ended: Promise<void> | null = null;

  /** Whatever is said, `fenced` is the end of this session. */
  async function say<T>(call: () => Promise<T>): Promise<T> {
    over.signal.throwIfAborted();
    try {
      return await patiently({ ...patience, signal: over.signal }, call);
    } catch (error) {
      if (isFenced(error, id)) over.abort(error);
      throw error;
    }
  }

  async function beat(): Promise<void> {
    const { tokens, onRecovery } = spending;
    [spending.tokens, spending.onRecovery] = [0, 0];
    try {
      await client.heartbeat(id, { tokens, onRecovery, ...(isJoined ? { by: "agent" } : {}) });
      await backlog.tell();
    } catch (error) {
      spending.tokens += tokens;
      spending.onRecovery += onRecovery;
      if (isFenced(error, id)) over.abort(error);
      else if (error instanceof Fault) patience.onTrouble?.(error);
      else throw error;
    }
  }

  const stopBeating = every(opened.heartbeatMs, over.signal, beat);

  async function effect<T extends JsonValue>(options: EffectOptions<T>): Promise<T> {
    const { run, lookup, ...wanted } = options;
    const attempt = crypto.randomUUID();
    const begin = () => client.beginEffect({ ...wanted, session: id, attempt });
    let begun = await say(begin);
    if (begun.go === "look-up") {
      if (lookup === undefined) throw unknownOutcome(begun.effect);
      const found = await lookup(begun.effect);
      const because = "its agent looked it up";
      const settled = { happened: found !== null, because, session: id };
      const { effect: one } = begun;
      await say(() =>
        client.settleEffect(one.id, found === null ? settled : { ...settled, ...found }),
      );
      if (found !== null) return found.result;
      begun = await say(begin);
    }
    // The server answers with what was confirmed: the caller's own result, as JSON.
    if (begun.go === "replay") return begun.effect.result as T;
    if (begun.go !== "run") throw unknownOutcome(begun.effect);
    const { id: effectId } = begun.effect;
    try {
      const result = await run(effectId);
      await say(() => client.confirmEffect(effectId, { session: id, result }));
      return result;
    } catch (error) {
      await tellFailure(effectId, error);
      throw error;
    }
  }

  async function tellFailure(effectId: string, error: unknown): Promise<void> {
    // A fault is the server's own word: nobody needs to tell it.
    if (error instanceof Fault) return;
    const end = { session: id, error: textOf(error) };
    await say(() =>
      error instanceof DidNotHappen
        ? client.failEffect(effectId, end)
        : client.doubtEffect(effectId, end),
    );
  }

  async function put(collection: string, name: string, wanted: DocumentPut) {
    let lost = false;
    const write = async () => {
      try {
        return await client.putDocument(collection, name, { session: id, ...wanted });
      } catch (error) {
        const own = lost && (await ownReceipt(client, id, collection, name, wanted, error));
        if (own) return own;
        lost = error instanceof Fault && error.code !== "version_conflict";
        throw error;
      }
    };
    // A3. Without `expect` a second write would be a second version.
    return wanted.expect === undefined
      ? await client.putDocument(collection, name, { session: id, ...wanted })
      : await say(write);
  }

  async function finish(reason: Exclude<ExitReason, "fenced" | "parked">, detail?: string) {
    stopBeating();
    if (over.signal.aborted) return;
    try {
      await say(async () => await beat().then(() => backlog.requireEmpty()));
      await say(() =>
        client.endSession(id, { reason, ...(detail === undefined ? {} : { detail }) }),
      );
    } catch (error) {
      // It was over already; that is only a fault where something could not be told any more (A2).
      if (!isFenced(error, id) || !backlog.isEmpty()) throw error;
    } finally {
      over.abort(new Fault("fenced", `The session ${id} was ended.`, { context: { session: id } }));
    }
  }

  const session: AgentSession = {
    ...{ id, agent, client, effect },
    recovery: opened.recovery,
    before: opened.before,
    signal: over.signal,
    brief: (request = {}) => say(() => client.brief(agent, { ...request, session: id })),
    briefText: (request = {}) => say(() => client.briefText(agent, { ...request, session: id })),
    async inbox(handler, { signal, concurrency = 1 } = {}) {
      const until = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
      await consume(client, {
        ...{ agent, session: id, signal: until, concurrency },
        handler: (message, handling) =>
          handler(message, {
            ...handling,
            effect: (options) => effect({ ...options, key: `${message.id} ${options.key}` }),
          }),
        ...(patience.onTrouble === undefined ? {} : { onTrouble: patience.onTrouble }),
      });
    },
    state: {
      async get(collection, name) {
        try {
          return await say(() => client.getDocument(collection, name));
        } catch (error) {
          if (error instanceof Fault && error.code === "not_found") return null;
          throw error;
        }
      },
      put,
    },
    tasks: {
      claim: (task) => say(() => client.claimTask(task, id)),
      async subtask(task, n, state) {
        over.signal.throwIfAborted();
        await backlog.keep(`subtask ${n} of ${task}`, () =>
          client.moveSubtask(task, n, { session: id, state }),
        );
      },
      complete: (task, result = null) =>
        say(() => client.completeTask(task, { session: id, result })),
      fail: (task, because) => say(() => client.failTask(task, { session: id, because })),
      block: (task, because) => say(() => client.blockTask(task, { session: id, because })),
    },
    async checkpoint({ commit, repository, ...wanted }) {
      over.signal.throwIfAborted();
      const message = checkpointMessage(wanted);
      const made = await commit(message);
      await backlog.keep(`checkpoint ${made}`, () =>
        client.recordCheckpoint(id, {
          ...{ commit: made, message },
          ...(repository === undefined ? {} : { repository }),
        }),
      );
      return made;
    },
    spent(tokens, { onRecovery = false } = {}) {
      spending.tokens += tokens;
      if (onRecovery) spending.onRecovery += tokens;
    },
    end(reason = "completed", detail) {
      ended ??= finish(reason, detail);
      return ended;
    },
    async [Symbol.asyncDispose]() {
      await session.end();
    },
  };
  return session;
}

/** The write of which the answer was lost, found in the world: the same body, by this session, as expected. */
async function ownReceipt(
  client: Client,
  session: string,
  collection: string,
  name: string,
  { body, expect = 0 }: DocumentPut,
  error: unknown,
): Promise<DocumentReceipt | null> {
  if (!(error instanceof Fault && error.code === "version_conflict")) return null;
  const head = await client.getDocument(collection, name);
  const own = head.session === session && head.version === expect + 1;
  return own && JSON.stringify(sorted(head.body)) === JSON.stringify(sorted(body)) ? head : null;
}

/** With the keys of objects in one order, so that equal values have equal texts. */
function sorted(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map((each: JsonValue) => sorted(each));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value as Record<string, JsonValue>);
  return Object.fromEntries(
    entries
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

/** Calls again and again until it is stopped; never twice at once. */
function every(ms: number, until: AbortSignal, act: () => Promise<void>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  const next = () => {
    if (stopped || until.aborted) return;
    timer = setTimeout(() => void act().finally(next), ms);
    // An agent that has nothing left to do may exit: its lease tells the rest.
    (timer as { unref?: () => void }).unref?.();
  };
  next();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

function isFenced(error: unknown, session: string): boolean {
  return error instanceof Fault && error.code === "fenced" && error.context.session === session;
}

function unknownOutcome({ id, kind, key }: Effect): Fault {
  return new Fault(
    "effect_unknown",
    `Whether the effect ${id} (${kind} "${key.slice(0, 100)}") happened is not known: look in the world, then say so with \`lastgood effects settle ${id}\`. It was not repeated.`,
    { context: { effect: id } },
  );
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text === "" ? "it failed without a word" : text).slice(0, 2_000);
}
