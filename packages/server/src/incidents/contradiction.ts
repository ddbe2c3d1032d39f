/**
 * Two actors pull one target in opposite directions: one incident and one page per target, however often
 * it is told. Nothing automatic happens to it. Told by the recovery room of what it refused or gave up for,
 * and found here in the ledger: what was put back and is moved away again within minutes.
 */
import { carriersOf } from "../config/graph.ts";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Contradiction } from "../recovery/contradiction.ts";
import type { Query } from "../store/database.ts";
import { openForPerson } from "./for-a-person.ts";
import { lockOpening } from "./incident-store.ts";
import { type MoveDeps, ownName } from "./moves.ts";

/** One occurrence is told once, also after its incident was closed. */
export async function openContradiction(
  deps: MoveDeps,
  { target, actors, changes, because, occurrence }: Contradiction,
): Promise<IncidentId> {
  const who = actors.join(" and ");
  const text = `${who} contradict each other on ${target}: ${because}`;
  return await deps.db.begin(async (tx) => {
    await lockOpening(tx);
    const known = await toldIn(tx, occurrence);
    if (known !== null) return known;
    const id = await openForPerson(tx, deps, {
      kind: "contradiction",
      signature: `contradiction ${target}`,
      about: serviceOf(deps, target),
      title: `${target}: ${who} contradict each other`,
      text,
    });
    await recordEvent(tx, id, {
      at: deps.world.now(),
      actor: ownName,
      event: "contradiction.seen",
      text,
      details: { target, actors, changes },
      key: keyOf(occurrence),
    });
    return id;
  });
}

function keyOf(occurrence: string): string {
  return `contradiction-${occurrence}`;
}

async function toldIn(tx: Query, occurrence: string): Promise<IncidentId | null> {
  const [row] = await tx<{ id: IncidentId }[]>`
    select i.id from incidents i join incident_events e on e.incident = i.id
    where i.kind = 'contradiction' and e.key = ${keyOf(occurrence)} limit 1`;
  return row?.id ?? null;
}

/** The service whose automation stops when somebody takes the incident; the target where there is none. */
function serviceOf({ configuration }: MoveDeps, target: string): string {
  const at = target.indexOf(":");
  const layer = target.slice(0, at);
  const thing = target.slice(at + 1);
  if (layer !== "code" && layer !== "state" && layer !== "versions" && layer !== "runtime") {
    return target;
  }
  return carriersOf(configuration.current(), { layer, target: thing })[0] ?? target;
}

const withinMs = 5 * 60_000;

/** Tells of whatever moved away, in the last minutes, what a recovery that runs or just ended had put back. */
export async function watchContradictions(deps: MoveDeps): Promise<void> {
  const { db, world } = deps;
  const since = new Date(world.now().getTime() - withinMs);
  for (const { change, agent, target, recovery, by, because } of await movedAway(db, since)) {
    await openContradiction(deps, {
      target,
      actors: [by, agent],
      changes: [change],
      because: `${agent} moved away what ${recovery} had put back (${because})`,
      occurrence: change,
    });
  }
}

interface MovedAway {
  readonly change: ChangeId;
  readonly agent: string;
  readonly target: string;
  readonly recovery: RecoveryId;
  /** Who let the recovery run. */
  readonly by: string;
  readonly because: string;
}

/**
 * A service that serves again what it was taken away from, or no longer the revert; a document whose
 * restored version is taken back; a release that is pinned again where it was taken away. A commit that brings back what was reverted is barred, and told there.
 */
async function movedAway(db: Query, since: Date): Promise<readonly MovedAway[]> {
  return await db<MovedAway[]>`
    select distinct on (c.id) c.id as change, c.agent, c.layer || ':' || c.target as target,
           r.id as recovery, coalesce(r.run_by, r.planned_by) as by, r.undo ->> 'because' as because
    from recoveries r
    join recovery_steps s on s.recovery = r.id and s.state in ('applied', 'verified')
    join changes c on c.layer = s.step ->> 'layer' and c.at > s.applied_at and c.at > ${since}
    where (r.state = 'running' or r.ended_at > ${since})
      and c.agent <> ${ownName} and c.agent not like 'recovery:%'
      and (
        (c.layer = 'state' and c.reverts <> '{}' and c.reverts @> array[s.change_id])
        or (c.layer = 'runtime' and c.kind = 'deploy'
            and c.target = s.step -> 'action' ->> 'service'
            and (c.to_ref = s.step -> 'action' ->> 'from'
                 or c.details -> 'withdrawn' ? (s.step -> 'action' ->> 'to')))
        or (c.layer = 'versions' and c.kind = 'deploy'
            and c.target = s.step -> 'action' ->> 'artifact'
            and c.details -> 'environment' = s.step -> 'action' -> 'environment'
            and exists (select from jsonb_array_elements(c.details -> 'to') share
              where s.step -> 'action' -> 'bars' ? (share ->> 'version'))))
      and not exists (
        select from incidents i join incident_events e on e.incident = i.id
        where i.kind = 'contradiction' and e.key = ${keyOf("")} || c.id::text)
    order by c.id
    limit 20`;
}
