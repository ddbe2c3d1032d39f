/**
 * Regular expressions that others wrote, bounded: each is matched in a worker, which is ended when it takes too
 * long, for a pattern such as (a+)+b backtracks without end, and nothing else can stop it.
 */
import { Worker } from "node:worker_threads";
import { cannotTell, fails, type Judged, passes } from "./check.ts";

const textLettersMax = 262_144;
const matchMsMax = 1_000;
/** A worker on a machine that is busy: from its being asked until it begins. */
const startMsMax = 20_000;

export interface Regexes {
  judge(pattern: string, flags: string, text: string, signal: AbortSignal): Promise<Judged>;
  stop(): Promise<void>;
}

/** In JavaScript as the engine reads it, since a worker's file would be named otherwise once it is built. */
const source = `
const { parentPort } = require("node:worker_threads");
parentPort.on("message", ({ pattern, flags, text }) => {
  parentPort.postMessage("begun");
  parentPort.postMessage(new RegExp(pattern, flags).test(text));
});`;

export function createRegexes(matchMs: number = matchMsMax): Regexes {
  let worker: Worker | null = null;
  let last: Promise<unknown> = Promise.resolve();

  async function endWorker(): Promise<void> {
    const ended = worker;
    worker = null;
    await ended?.terminate();
  }

  async function match(pattern: string, flags: string, text: string): Promise<boolean | null> {
    worker ??= new Worker(source, { eval: true, env: {}, execArgv: [] });
    const matching = worker;
    matching.unref();
    const done = Promise.withResolvers<boolean | null>();
    let timer = setTimeout(() => done.resolve(null), startMsMax);
    const heard = (said: unknown) => {
      clearTimeout(timer);
      if (typeof said === "boolean") done.resolve(said);
      else timer = setTimeout(() => done.resolve(null), matchMs);
    };
    const broke = (cause: unknown) => done.reject(cause);
    matching.on("message", heard).once("error", broke);
    matching.postMessage({ pattern, flags, text });
    try {
      const matched = await done.promise;
      if (matched === null) await endWorker();
      return matched;
    } catch (error) {
      await endWorker();
      throw error;
    } finally {
      clearTimeout(timer);
      matching.off("message", heard).off("error", broke);
    }
  }

  return {
    async judge(pattern, flags, text, signal) {
      if (text.length > textLettersMax) {
        return fails(`the answer has ${text.length} letters, and ${textLettersMax} are looked at`);
      }
      const turn = last.then(async () => {
        signal.throwIfAborted();
        return await match(pattern, flags, text);
      });
      last = turn.catch(() => {});
      const matched = await turn;
      if (matched === null) {
        return cannotTell(
          `the pattern /${pattern.slice(0, 80)}/ was not done within ${matchMs} ms: it backtracks; write it without nested repetitions`,
        );
      }
      return matched
        ? passes("it matches")
        : fails(`the answer does not match /${pattern.slice(0, 80)}/`);
    },
    async stop() {
      await last;
      await endWorker();
    },
  };
}
