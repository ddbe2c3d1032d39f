/**
 * What acts by itself in this room.
 *
 *   expire  those that nobody said the end of have failed
 *   bound   forgets the gateway's beyond those that are kept, however young
 *   trim    forgets what ended long ago, and the inputs beyond those that are kept
 */
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { expire, forgetEnded, oldestOfLast } from "./execution-store.ts";
import { forgetInputs } from "./outcome-store.ts";
import { endSamples, type ReleaseSample } from "./release-sample.ts";

export interface ExecutionLoopDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  observe(samples: readonly ReleaseSample[]): void;
  /** How many inputs of each artifact are kept of what the gateway recorded, and for how long and how many its executions are. */
  keeping(): {
    readonly gatewayMs: number;
    readonly gatewayLast: number;
    readonly inputs: readonly { readonly artifact: string; readonly last: number }[];
  };
}

const expireEveryMs = 5_000;
const expireMax = 1_000;

export function startExpiring({ db, world, log, observe }: ExecutionLoopDeps): Loop {
  return startLoop({
    name: "executions.expire",
    everyMs: expireEveryMs,
    log,
    async run(signal) {
      for (;;) {
        const now = world.now();
        const expired = await expire(db, now, expireMax);
        // What passed through the gateway was told there, request by request.
        const others = expired.filter(({ door }) => door === "sdk" || door === "http");
        observe(others.flatMap((each) => endSamples(each, now)));
        if (expired.length < expireMax || signal.aborted) return;
      }
    },
  });
}

const trimEveryMs = 60_000;
const trimMax = 5_000;
const othersMs = 90 * 86_400_000;

export function startTrimming({ db, world, log, keeping }: ExecutionLoopDeps): Loop {
  return startLoop({
    name: "executions.trim",
    everyMs: trimEveryMs,
    log,
    async run(signal) {
      const { gatewayMs, inputs } = keeping();
      const now = world.now().getTime();
      const before = { gateway: new Date(now - gatewayMs), others: new Date(now - othersMs) };
      while (!signal.aborted && (await forgetEnded(db, before, trimMax)) === trimMax);
      for (const { artifact, last } of inputs) {
        const kept = { artifact, door: "gateway", last };
        while (!signal.aborted && (await forgetInputs(db, kept, trimMax)) === trimMax);
      }
    },
  });
}

/** Seldom: to find the oldest one that is kept all that are kept are walked. */
const boundEveryMs = 600_000;

export function startBounding({ db, world, log, keeping }: ExecutionLoopDeps): Loop {
  return startLoop({
    name: "executions.bound",
    everyMs: boundEveryMs,
    log,
    async run(signal) {
      const gateway = await oldestOfLast(db, keeping().gatewayLast);
      if (gateway === null) return;
      const before = { gateway, others: new Date(world.now().getTime() - othersMs) };
      while (!signal.aborted && (await forgetEnded(db, before, trimMax)) === trimMax);
    },
  });
}
