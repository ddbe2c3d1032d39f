/**
 * Looks for the dead: leases that ran out, processes that are gone. Leases run only while somebody looks, so
 * that a server that was away, stopped or asleep invents no crash.
 */
import type { SessionProcess } from "@lastgood/sdk";
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import { ownHost } from "../own-host.ts";
import { isAlive } from "../process-group.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { deathOf, mayBeSilent } from "./session.ts";
import { attend, buryFenced, livingOn, prolong, silentSince, unsettled } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";

const turnMs = 250;
/** A turn that comes later than this was not attended to. */
const gapMsMax = 1_500;
/** Processes are looked at this seldom: whoever wraps one tells of its end at once. */
const processesEveryTurns = 3;
const settleMax = 100;

export function startDeathLoop({
  db,
  world,
  log,
  sessions,
}: {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly sessions: Sessions;
}): Loop {
  const host = ownHost();
  let turn = 0;
  return startLoop({
    name: "deaths",
    everyMs: turnMs,
    log,
    async run() {
      const now = world.now();
      const gap = await attend(db, now, gapMsMax);
      if (gap > 0)
        log.info({ milliseconds: Math.round(gap) }, "leases were prolonged: nobody attended");
      turn += 1;
      const silent = await silentSince(db, now);
      const here = turn % processesEveryTurns === 0 ? await livingOn(db, host) : [];
      const quiet: string[] = [];
      for (const session of [...silent, ...here]) {
        const process = stateOf(session.process, host);
        const death = deathOf(session, process, now);
        if (death !== null) await sessions.died(session, death.reason, death.detail);
        else if (session.leaseUntil < now && mayBeSilent(session, process)) quiet.push(session.id);
      }
      if (quiet.length > 0) await prolong(db, quiet, now);
      await buryFenced(db, now);
      for (const session of await unsettled(db, settleMax)) await sessions.settle(session);
    },
  });
}

function stateOf(process: SessionProcess | null, host: string): "alive" | "gone" | "unknown" {
  if (process === null || process.host !== host) return "unknown";
  return isAlive(process) ? "alive" : "gone";
}
