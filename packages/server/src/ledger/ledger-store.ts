import type { LayerName } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";
import type { Json, Query } from "../store/database.ts";
import type { Change, ChangeFilter, Exposed, NewChange, Targets } from "./change.ts";

/** Records changes, oldest first. A change already recorded under its id is left as it is. */
export async function recordChanges(db: Query, changes: readonly NewChange[]): Promise<void> {
  if (changes.length === 0) return;
  await db`
    insert into changes ${db(
      changes.map((change) => ({
        id: change.id,
        at: change.at,
        layer: change.layer,
        kind: change.kind,
        target: change.target,
        agent: change.agent,
        task: change.task ?? null,
        session: change.session ?? null,
        from_ref: change.from ?? null,
        to_ref: change.to ?? null,
        reason: change.reason ?? "",
        reverts: [...(change.reverts ?? [])],
        details: (change.details ?? {}) as Json,
      })),
    )}
    on conflict (id) do nothing`;
}

/** The changes are live in `service` since `at`. The first exposure of a change to a service stands. */
export async function exposeChanges(
  db: Query,
  ids: readonly ChangeId[],
  service: string,
  at: Date,
  deploy: ChangeId | null,
): Promise<void> {
  await db`
    insert into exposures (change_id, service, exposed_at, deploy_id)
    select id, ${service}, ${at}, ${deploy} from unnest(${[...ids]}::uuid[]) as id
    on conflict (change_id, service) do nothing`;
}

/** Newest first. */
export async function findChanges(db: Query, filter: ChangeFilter): Promise<readonly Change[]> {
  const rows = await db<Row[]>`
    select c.id, c.at, c.layer, c.kind, c.target, c.agent, c.task, c.session, c.from_ref, c.to_ref,
           c.reason, c.reverts, c.details,
           coalesce((select jsonb_agg(jsonb_build_object(
               'service', e.service, 'exposedAt', e.exposed_at, 'deploy', e.deploy_id)
               order by e.exposed_at)
             from exposures e where e.change_id = c.id), '[]') as exposures
    from changes c
    where true
      ${filter.since ? db`and c.at >= ${filter.since}` : db``}
      ${filter.until ? db`and c.at < ${filter.until}` : db``}
      ${filter.agent ? db`and c.agent = ${filter.agent}` : db``}
      ${filter.task ? db`and c.task = ${filter.task}` : db``}
      ${filter.layer ? db`and c.layer = ${filter.layer}` : db``}
      ${filter.target ? db`and c.target = ${filter.target}` : db``}
      ${filter.ids ? db`and c.id = any(${[...filter.ids]}::uuid[])` : db``}
      ${filter.perhapsAmong ? db`and ${perhapsAmong(db, filter.perhapsAmong)}` : db``}
      ${
        filter.after
          ? db`and (c.at, c.id) < (select at, id from changes where id = ${filter.after})`
          : db``
      }
      ${
        filter.exposedTo
          ? db`and exists (select from exposures e where e.change_id = c.id and e.service = ${filter.exposedTo})`
          : db``
      }
    order by c.at desc, c.id desc
    limit ${filter.limit}`;
  return rows.map(toChange);
}

function perhapsAmong(db: Query, { exact, globs }: Targets) {
  return db`(
    (c.layer, c.target) in (
      select * from unnest(${exact.map((each) => each.layer)}::text[],
                           ${exact.map((each) => each.target)}::text[]))
    or exists (
      select from unnest(${globs.map((each) => each.layer)}::text[],
                         ${globs.map((each) => literalBeginning(each.glob))}::text[])
        as begins (layer, text)
      where c.layer = begins.layer and starts_with(c.target, begins.text)))`;
}

/** What every target that fits the glob begins with; empty where nothing is certain. */
function literalBeginning(glob: string): string {
  return /^[^*?[\]{}()!+@\\]*/.exec(glob)?.[0] ?? "";
}

interface Row {
  id: ChangeId;
  at: Date;
  layer: LayerName;
  kind: string;
  target: string;
  agent: string;
  task: string | null;
  session: string | null;
  from_ref: string | null;
  to_ref: string | null;
  reason: string;
  reverts: ChangeId[];
  details: Record<string, unknown>;
  exposures: { service: string; exposedAt: string; deploy: ChangeId | null }[];
}

function toChange({ from_ref, to_ref, exposures, ...row }: Row): Change {
  return {
    ...row,
    from: from_ref,
    to: to_ref,
    exposures: exposures.map((each): Exposed => ({ ...each, exposedAt: new Date(each.exposedAt) })),
  };
}
