/**
 * Keeps the record of each run of the gate while it is done.
 *
 *   D1. A run is written down before it begins, and its end whatever it is.
 *   D2. Two runs at a time; who comes third waits.
 */
import type { GateProgress } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { breakOff, insertRun, noteProgress, type Run } from "./gate-store.ts";
import type { Tell } from "./judge.ts";
import { createTurns } from "./turns.ts";

export interface RunKeeperDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
}

export interface RunKeeper {
  /** Does `work` as this run, and ends it with `finish`; whatever is thrown breaks it off, and is thrown on. */
  keep<Done>(
    run: Run,
    work: (tell: Tell, signal: AbortSignal) => Promise<Done>,
    finish: (done: Done) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<Done>;
  /** The same in the background: resolves once it is written down. What it threw is in its record. */
  begin<Done>(
    run: Run,
    work: (tell: Tell, signal: AbortSignal) => Promise<Done>,
    finish: (done: Done) => Promise<void>,
  ): Promise<void>;
  stop(): Promise<void>;
}

const runMsMax = 3_600_000;
const atOnceMax = 2;

export function createRunKeeper(deps: RunKeeperDeps): RunKeeper {
  const { db, world, log } = deps;
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const turns = createTurns(atOnceMax);

  async function go<Done>(
    { id }: Run,
    work: (tell: Tell, signal: AbortSignal) => Promise<Done>,
    finish: (done: Done) => Promise<void>,
    given: readonly AbortSignal[],
  ): Promise<Done> {
    const signal = AbortSignal.any([...given, stopping.signal, AbortSignal.timeout(runMsMax)]);
    const notes = startNotes(deps, id);
    try {
      const done = await turns.take(async () => {
        signal.throwIfAborted();
        return await work(notes.tell, signal);
      });
      await notes.stop();
      await finish(done);
      return done;
    } catch (error) {
      await notes.stop();
      const why = error instanceof Error ? error.message : String(error);
      await breakOff(db, id, why, world.now());
      throw error;
    }
  }

  return {
    async keep(run, work, finish, signal) {
      await insertRun(db, run);
      return await go(run, work, finish, signal === undefined ? [] : [signal]);
    },
    async begin(run, work, finish) {
      await insertRun(db, run);
      const ended: Promise<void> = go(run, work, finish, [])
        .then(() => {})
        .catch((error: unknown) => {
          if (!stopping.signal.aborted)
            log.warn({ err: error, run: run.id }, "a run of the gate broke off");
        })
        .finally(() => running.delete(ended));
      running.add(ended);
    },
    async stop() {
      stopping.abort(new Error("the server was stopped: run it again"));
      await Promise.all(running);
    },
  };
}

const noteEveryMs = 500;
const signOfLifeMs = 10_000;

/** Writes down how far a run is, now and then, and that it lives. */
function startNotes({ db, world, log }: RunKeeperDeps, id: string) {
  let now: GateProgress = { done: 0, total: 0, says: "waits for its turn" };
  let written: GateProgress | null = null;
  let writtenAt = 0;
  let writing: Promise<void> = Promise.resolve();
  const note = () => {
    written = now;
    writtenAt = performance.now();
    writing = writing
      .then(() => noteProgress(db, id, now, world.now()))
      .catch((error: unknown) => {
        log.warn({ err: error, run: id }, "how far a run of the gate is could not be written");
      });
  };
  const timer = setInterval(() => {
    if (now !== written || performance.now() - writtenAt > signOfLifeMs) note();
  }, noteEveryMs);
  return {
    tell(progress: GateProgress) {
      now = progress;
    },
    async stop() {
      clearInterval(timer);
      note();
      await writing;
    },
  };
}
