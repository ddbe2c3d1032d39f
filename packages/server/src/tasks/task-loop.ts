/**
 * What acts by itself in this room.
 *
 *   tellings  brings what was written with a change to the inboxes, each once
 *   trim      forgets history that is older than 90 days
 */
import type { Logger } from "pino";
import { Fault, faults } from "../fault.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import {
  type DueTelling,
  dueTellings,
  forgetHistory,
  forgetTelling,
  postponeTelling,
  recordEvent,
} from "./history-store.ts";
import { requireTask } from "./task-store.ts";

export interface TaskLoopDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly inboxes: Inboxes;
}

const tellEveryMs = 1_000;
const tellMax = 200;
const againMsMin = 1_000;
const againMsMax = 60_000;

export function startTelling(deps: TaskLoopDeps): Loop {
  const { db, world, log } = deps;
  return startLoop({
    name: "tasks.tellings",
    everyMs: tellEveryMs,
    log,
    async run(signal) {
      let failed: unknown = null;
      for (const telling of await dueTellings(db, world.now(), tellMax)) {
        if (signal.aborted) return;
        // One that cannot be told now must not hold up those behind it.
        const error = await tell(deps, telling);
        failed ??= error;
      }
      if (failed !== null) throw failed;
    },
  });
}

/** The inbox takes each id once, however often it is told: a server that dies in between tells again. */
async function tell(deps: TaskLoopDeps, telling: DueTelling): Promise<unknown> {
  const { db, world, inboxes } = deps;
  const { to, message, tries } = telling;
  try {
    await inboxes.tell(to, message);
  } catch (error) {
    if (error instanceof Fault && faults[error.code].retry === "never") {
      await giveUp(deps, telling, error.message);
      return null;
    }
    const wait = Math.min(againMsMax, againMsMin * 2 ** Math.min(tries, 10));
    await postponeTelling(db, message.id, new Date(world.now().getTime() + wait));
    return error;
  }
  await forgetTelling(db, message.id);
  return null;
}

/** It can never be told: the task's own history says so. */
async function giveUp({ db, world }: TaskLoopDeps, telling: DueTelling, why: string) {
  await db.begin(async (tx) => {
    const { task } = await requireTask(tx, telling.task);
    const to = typeof telling.to === "string" ? telling.to : `the role ${telling.to.role}`;
    await recordEvent(tx, {
      ...{ task: task.id, at: world.now(), what: "untold", who: "lastgood", session: null },
      ...{ from: task.phase.state, to: task.phase.state, subtask: null },
      because: `${to} could not be told (${telling.message.type}): ${why}`.slice(0, 2_000),
    });
    await forgetTelling(tx, telling.message.id);
  });
}

const trimEveryMs = 3_600_000;
const historyMs = 90 * 86_400_000;
const trimMax = 5_000;

export function startTrimming({ db, world, log }: TaskLoopDeps): Loop {
  return startLoop({
    name: "tasks.trim",
    everyMs: trimEveryMs,
    log,
    async run(signal) {
      const before = new Date(world.now().getTime() - historyMs);
      while (!signal.aborted && (await forgetHistory(db, before, trimMax)) === trimMax);
    },
  });
}
