/** Whether somebody decided about what a recovery puts back while it did. */
import type { ChangeId } from "../ids.ts";
import type { Query } from "../store/database.ts";
import type { Contradiction } from "./contradiction.ts";
import type { Recovery } from "./recovery.ts";

/** Somebody moved what the plan puts back to something else meanwhile: that is not fought over. */
export async function movedAgainst(
  db: Query,
  { id, plannedBy, runBy, plannedAt, undo, plan }: Recovery,
): Promise<Contradiction | null> {
  const services = plan.steps.flatMap((step) =>
    step.layer === "runtime" ? [step.action.service] : [],
  );
  const dials = plan.steps.flatMap((step) => (step.layer === "versions" ? [step.action] : []));
  const deploy = await deployedBySomebody(db, services, plannedAt);
  const pinned = await pinnedBySomebody(db, dials, plannedAt);
  const found = deploy ?? pinned;
  if (found === null) return null;
  const did =
    deploy === null
      ? `pinned ${pinned?.to} of ${pinned?.artifact}`
      : `had ${deploy.service} serve ${deploy.to.slice(0, 12)}`;
  return {
    target: deploy === null ? `versions:${pinned?.artifact}` : `runtime:${deploy.service}`,
    actors: [runBy ?? plannedBy, found.agent],
    changes: [...undo.changes, found.id],
    because: `${found.agent} ${did} while ${id} was putting it back`,
    occurrence: found.id,
  };
}

/**
 * The last deploy of one of the services since then that somebody asked for: neither a recovery's, nor of
 * what was pushed.
 */
async function deployedBySomebody(
  db: Query,
  services: readonly string[],
  since: Date,
): Promise<{ id: ChangeId; service: string; agent: string; to: string } | null> {
  const [row] = await db<{ id: ChangeId; service: string; agent: string; to: string }[]>`
    select id, target as service, agent, to_ref as to from changes
    where layer = 'runtime' and kind = 'deploy' and target = any(${[...services]}) and at > ${since}
      and agent <> ${ownName} and agent not like 'recovery:%'
    order by at desc limit 1`;
  return row ?? null;
}

/** The last deployment of one of these artifacts by anybody but a recovery, since then. */
async function pinnedBySomebody(
  db: Query,
  dials: readonly { readonly environment: string; readonly artifact: string }[],
  since: Date,
): Promise<{ id: ChangeId; artifact: string; agent: string; to: string } | null> {
  const [row] = await db<{ id: ChangeId; artifact: string; agent: string; to: string }[]>`
    select id, target as artifact, agent, to_ref as to from changes
    where layer = 'versions' and kind in ('deploy', 'rollback') and at > ${since}
      and (target, details ->> 'environment') in (
        select * from unnest(${dials.map((each) => each.artifact)}::text[],
                             ${dials.map((each) => each.environment)}::text[]))
      and agent <> ${ownName} and agent not like 'recovery:%'
    order by at desc limit 1`;
  return row ?? null;
}

/** How Lastgood names itself where it acts by itself. */
const ownName = "lastgood";
