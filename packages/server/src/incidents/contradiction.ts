import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { openForPerson } from "./for-a-person.ts";
import { type MoveDeps, ownName } from "./moves.ts";
import type { Contradiction } from "./neighbours.ts";

/**
 * Two actors pull one target in opposite directions: one incident and one page per target, however often
 * it is reported. Nothing automatic happens to it.
 */
export async function openContradiction(
  deps: MoveDeps,
  { target, service, actors, changes, because }: Contradiction,
): Promise<IncidentId> {
  const who = actors.join(" and ");
  const text = `${who} contradict each other on ${target}: ${because}`;
  return await deps.db.begin(async (tx) => {
    const id = await openForPerson(tx, deps, {
      kind: "contradiction",
      signature: `contradiction ${target}`,
      about: service ?? target,
      title: `${target}: ${who} contradict each other`,
      text,
    });
    await recordEvent(tx, id, {
      at: deps.world.now(),
      actor: ownName,
      event: "contradiction.seen",
      text,
      details: { target, actors, changes },
      key: `contradiction-${[...changes].sort().join("-")}`,
    });
    return id;
  });
}
