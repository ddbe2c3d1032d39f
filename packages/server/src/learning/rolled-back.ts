/** Which release was taken back, and which serves instead, where no incident says so. */
import { Fault } from "../fault.ts";
import type { ChangeId } from "../ids.ts";
import { pinsOfChanges, requirePin } from "../releases/pin-store.ts";
import { requireRollout } from "../rollouts/rollout-store.ts";
import type { Db, Query } from "../store/database.ts";
import type { ReleasePair } from "./propose-check.ts";
import { mostOf } from "./release-pair.ts";

interface Dial {
  readonly environment: string;
  readonly artifact: string;
}

/**
 * The releases that the last rollback of the dial took away, or that the rollout was; each with the one that it
 * went back to. Faults `not_found`, and `state_forbids` where nothing was rolled back.
 */
export async function rolledBack(
  db: Db,
  dial: Dial,
  rollout: string | null,
): Promise<readonly ReleasePair[]> {
  await requirePin(db, dial.environment, dial.artifact);
  if (rollout !== null) return [await pairOfRollout(db, dial, rollout)];
  const last = await lastRollback(db, dial);
  const [pin] = last === null ? [] : await pinsOfChanges(db, [last.change]);
  const good = pin === undefined ? null : mostOf(pin.shares);
  if (last !== null && good !== null) {
    return last.versions.map((bad) => ({ ...dial, bad, good }));
  }
  throw new Fault(
    "state_forbids",
    `Nothing of ${dial.artifact} was rolled back in ${dial.environment}, so there is nothing to learn from: see \`lastgood pins show ${dial.artifact}\`. A check that you know yourself is added with \`lastgood checks add\`.`,
    { context: { ...dial } },
  );
}

async function pairOfRollout(
  db: Db,
  { environment, artifact }: Dial,
  id: string,
): Promise<ReleasePair> {
  const { rollout } = await requireRollout(db, id);
  const what = `${rollout.id} rolls out ${rollout.artifact}:${rollout.candidate} in ${rollout.environment}`;
  if (rollout.artifact !== artifact || rollout.environment !== environment) {
    throw new Fault(
      "bad_input",
      `${what}, and not ${artifact} in ${environment}: name the artifact and environment that it was about.`,
      { context: { path: "rollout" } },
    );
  }
  if (rollout.phase === "rolled-back" && rollout.purpose !== "drill") {
    return { environment, artifact, bad: rollout.candidate, good: rollout.prior.version };
  }
  const is = rollout.purpose === "drill" ? "a drill of the way back" : rollout.phase;
  throw new Fault(
    "state_forbids",
    `${what} and is ${is}: there is something to learn from one that was rolled back. See \`lastgood rollout show ${rollout.id}\`.`,
    { context: { rollout: rollout.id } },
  );
}

/** What a rollback took away was barred by the very change that moved the pin; drills bar nothing. */
async function lastRollback(
  db: Query,
  { environment, artifact }: Dial,
): Promise<{ readonly change: ChangeId; readonly versions: readonly string[] } | null> {
  const [row] = await db<{ change: ChangeId; versions: string[] }[]>`
    select b.change_id as change, array_agg(b.version order by b.version) as versions
    from release_bars b join pins p on p.change_id = b.change_id and p.artifact = b.artifact
    where b.artifact = ${artifact} and p.environment = ${environment}
    group by b.change_id, p.epoch order by p.epoch desc limit 1`;
  return row ?? null;
}
