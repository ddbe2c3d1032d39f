/**
 * Work of several requests (`x-lastgood-execution`): each request is a step of it, under the policy of its
 * artifact. Asked of whoever keeps executions; while nobody answers, decided by what is known here.
 */
import type { ExecutionBegun, ExecutionStep, JsonValue, NewExecution } from "@lastgood/sdk";
import { goingOn } from "../executions/execution.ts";
import { Fault, faults } from "../fault.ts";
import type { Asked } from "./asked.ts";
import type { PinnedModel, PinSource } from "./pin-source.ts";

/** Whoever keeps executions. Rejects with anything but a lasting fault where nobody is there. */
export interface ExecutionBooks {
  begin(wanted: NewExecution): Promise<ExecutionBegun>;
  step(id: string): Promise<ExecutionStep>;
  end(id: string, state: "finished" | "failed"): Promise<void>;
  /** A release that is pinned no more; null where it is not known. */
  release(artifact: string, version: string): Promise<PinnedModel | null>;
}

/** Under which release a request runs, and which execution it is a step of. */
export interface Route {
  readonly release: PinnedModel;
  readonly execution: string;
}

export interface ExecutionKeeper {
  /**
   * Faults `fenced` where the work was cancelled, `state_forbids` where it is finished already, `target_busy`
   * where somebody else is at it.
   */
  route(asked: Asked & { readonly key: string }): Promise<Route>;
  end(asked: Asked & { readonly key: string }, state: "finished" | "failed"): void;
}

interface Kept {
  readonly id: string;
  readonly release: PinnedModel;
  /** When whoever keeps executions was asked last. */
  readonly askedAt: number;
}

const keptMax = 10_000;
const answerMsMax = 1_000;
const expireMs = 900_000;
/** Work that goes on is told of long before it would be taken to be over. */
const askEveryMs = expireMs / 3;

export function createExecutionKeeper({
  pins,
  books,
  newId,
  inputOf,
  begunAlone,
  now: clock,
}: {
  readonly pins: PinSource;
  readonly books: ExecutionBooks;
  newId(): string;
  /** What of the request is kept of the work; undefined: nothing. */
  inputOf(asked: Asked): JsonValue | undefined;
  /** Begun while nobody was there to hear it. */
  begunAlone(asked: Asked & { readonly key: string }, route: Route): void;
  now(): number;
}): ExecutionKeeper {
  const kept = new Map<string, Kept>();
  /** What is being begun: who asks for the same work meanwhile goes on with it. */
  const beginning = new Map<string, Promise<Route>>();
  const nameOf = ({ caller, artifact, key }: Asked) =>
    JSON.stringify([caller.agent, artifact, key]);

  function keep(name: string, one: Kept): Route {
    kept.delete(name);
    kept.set(name, one);
    const [oldest] = kept.keys();
    if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
    return { release: one.release, execution: one.id };
  }

  async function releaseOf(asked: Asked & { key: string }, version: string): Promise<PinnedModel> {
    const now = pins.resolve(asked.artifact, asked.target ?? asked.key);
    if (now.version === version) return now;
    return (await books.release(asked.artifact, version)) ?? now;
  }

  async function begin(name: string, asked: Asked & { key: string }): Promise<Route> {
    const { artifact, key, target, caller, session, dimensions } = asked;
    const id = newId();
    const wanted: NewExecution = {
      ...{ artifact, key, id, target: target ?? key, dimensions, expireMs, input: inputOf(asked) },
      environment: pins.environment,
      ...(caller.agent === null ? {} : { agent: caller.agent }),
      ...(session === null ? {} : { session }),
    };
    const askedAt = clock();
    const begun = await answered(() => beginOrJoin(wanted));
    // Nobody is there: it runs under what is pinned as far as is known here.
    if (begun === null) {
      const route = keep(name, { id, release: pins.resolve(artifact, target ?? key), askedAt });
      begunAlone(asked, route);
      return route;
    }
    if (begun.go === "done") {
      throw new Fault(
        "state_forbids",
        `The work ${key.slice(0, 100)} of ${artifact} is finished already, as ${begun.execution.id}: give other work another key.`,
        { context: { execution: begun.execution.id } },
      );
    }
    const { execution } = begun;
    const release = await releaseOf(asked, execution.version);
    if (execution.id === id) return keep(name, { id, release, askedAt });
    // Begun elsewhere, this is its next step, and its pin may have moved since.
    return await step(name, asked, { id: execution.id, release, askedAt: 0 });
  }

  /** What the same caller has under way already, begun before a restart or through another gateway, is gone on with. */
  async function beginOrJoin(wanted: NewExecution): Promise<ExecutionBegun> {
    try {
      return await books.begin(wanted);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "target_busy") throw error;
      return await books.begin({ ...wanted, id: undefined });
    }
  }

  async function step(name: string, asked: Asked & { key: string }, one: Kept): Promise<Route> {
    const now = pins.resolve(asked.artifact, asked.target ?? asked.key);
    const askedAt = clock();
    const isMoved = now.version !== one.release.version;
    // Nothing moved for it: nobody needs to be asked, but for telling now and then that it goes on.
    if (!isMoved && askedAt - one.askedAt < askEveryMs) return keep(name, one);
    const told = await answered(() => books.step(one.id)).catch((error: unknown) => {
      // It was silent for so long that it was taken to be over: that is no reason to stop it now.
      if (!isMoved && error instanceof Fault) return null;
      throw error;
    });
    if (told === null) {
      const going = goingOn(one.release, now.inFlight, now, null);
      // Nobody can say whether an irreversible effect is under way: it is not cancelled.
      return keep(name, { ...one, askedAt, ...(going.go === "switch" ? { release: now } : {}) });
    }
    if (told.go === "cancelled") {
      kept.delete(name);
      // It was said elsewhere, and the work has begun again since.
      if (told.execution.state === "retried") return await begin(name, asked);
      throw cancelled(asked, told.execution.error);
    }
    const { id, version } = told.execution;
    return keep(name, { id, release: await releaseOf(asked, version), askedAt });
  }

  return {
    async route(asked) {
      const name = nameOf(asked);
      const others = beginning.get(name);
      if (others !== undefined) await others;
      const one = kept.get(name);
      if (one !== undefined) return await step(name, asked, one);
      const begun = begin(name, asked).finally(() => beginning.delete(name));
      beginning.set(name, begun);
      return await begun;
    },
    end(asked, state) {
      const name = nameOf(asked);
      const one = kept.get(name);
      kept.delete(name);
      // Where nobody hears it, it ends by itself when its time is over.
      if (one !== undefined) books.end(one.id, state).catch(() => {});
    },
  };
}

function cancelled({ artifact, key }: Asked, because: string | null): Fault {
  return new Fault(
    "fenced",
    `The work ${(key ?? "").slice(0, 100)} of ${artifact} was cancelled (${because ?? "its pin moved"}): begin it again from its first step, under the same key.`,
  );
}

/** Null where nobody is there in time; lasting faults are thrown. */
async function answered<T>(ask: () => Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), answerMsMax);
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    // Whoever says that somebody is at it is there.
    const isAnswer = error instanceof Fault && error.code === "target_busy";
    if (isAnswer || (error instanceof Fault && faults[error.code].retry !== "later")) throw error;
    return null;
  } finally {
    clearTimeout(timer);
  }
}
