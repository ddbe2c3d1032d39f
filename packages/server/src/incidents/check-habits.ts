/**
 * Learns each check's flake rate while all is calm: what serves well is good, so a check that fails on it
 * now and then is flaky. Known beforehand, it makes every rerun in an incident say more.
 *
 *   H1. One run at a time, in one sandbox, and none while an incident is open: they need the sandboxes.
 *   H2. `runsWanted` runs per service, renewed as they get old; never more.
 *   H3. A check that fails every time on what serves well tells nothing of flakes, and is not counted.
 */
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import type { Sandboxes } from "../sandbox/sandbox.ts";
import type { Db } from "../store/database.ts";
import { putCalmRuns, recentCalmRuns } from "./check-habit-store.ts";
import { isAnyOpen } from "./incident-store.ts";

/** A service that serves this revision, and serves it well. */
export interface Calm {
  readonly service: string;
  readonly repository: string;
  readonly revision: string;
}

export interface CheckHabitsDeps {
  readonly db: Db;
  readonly log: Logger;
  readonly sandboxes: Sandboxes;
  calm(): Promise<readonly Calm[]>;
}

const runsWanted = 10;
const renewedAfterDays = 7;
const turnMs = 2_000;
const runsMsMax = 60_000;

export function startCheckHabits({ db, log, sandboxes, calm }: CheckHabitsDeps): Loop {
  /** H3. Not asked again until the revision changes. */
  const toldNothing = new Map<string, string>();

  async function learn({ service, repository, revision }: Calm, stopping: AbortSignal) {
    const known = await recentCalmRuns(db, service, renewedAfterDays);
    if (known >= runsWanted || toldNothing.get(service) === revision) return;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(runsMsMax)]);
    await using sandbox = await sandboxes.open(service, revision, signal);
    const runs = [];
    for (let run = known; run < runsWanted && !(await isAnyOpen(db)); run++) {
      runs.push(await sandbox.check(signal));
    }
    if (await isAnyOpen(db)) return;
    if (runs.some(({ outcome }) => outcome === "good")) await putCalmRuns(db, repository, runs);
    else toldNothing.set(service, revision);
  }

  return startLoop({
    name: "check habits",
    everyMs: turnMs,
    log,
    async run(signal) {
      if (await isAnyOpen(db)) return;
      for (const each of await calm()) {
        if (sandboxes.declared(each.service)) await learn(each, signal);
      }
    },
  });
}
