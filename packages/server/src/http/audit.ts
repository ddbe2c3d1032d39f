import type { Query } from "../store/database.ts";
import type { World } from "../world.ts";

export interface Audit {
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: "done" | "denied";
  readonly because: string;
}

export async function audit(db: Query, entry: Audit): Promise<void> {
  await db`insert into audits ${db({ ...entry })}`;
}

export interface AuditFilter {
  readonly since?: Date;
  readonly until?: Date;
  readonly actor?: string;
  readonly outcome?: "done" | "denied";
  readonly limit: number;
}

/** Newest first. */
export async function findAudits(
  db: Query,
  { since, until, actor, outcome, limit }: AuditFilter,
): Promise<readonly (Audit & { readonly id: number })[]> {
  return await db<(Audit & { id: number })[]>`
    select id, at, actor, action, target, outcome, because from audits
    where true
      ${since ? db`and at >= ${since}` : db``}
      ${until ? db`and at < ${until}` : db``}
      ${actor ? db`and actor = ${actor}` : db``}
      ${outcome ? db`and outcome = ${outcome}` : db``}
    order by at desc, id desc
    limit ${limit}`;
}

const windowMs = 60_000;
const perWindowMax = 300;

/**
 * Records denials. Beyond 300 a minute, by whomever, they are counted and told as one entry with the
 * next one that is recorded: a flood of bad tokens must not fill the disk.
 */
export function createDenials(db: Query, world: World) {
  let opened = 0;
  let recorded = 0;
  let unrecorded = 0;
  return async (denial: Omit<Audit, "at" | "outcome">): Promise<void> => {
    const at = world.now();
    if (at.getTime() - opened >= windowMs) [opened, recorded] = [at.getTime(), 0];
    if (recorded >= perWindowMax) {
      unrecorded += 1;
      return;
    }
    recorded += 1;
    const [missed, outcome] = [unrecorded, "denied" as const];
    unrecorded = 0;
    if (missed > 0) {
      const because = `${missed} further denials in less than a minute`;
      await audit(db, { at, actor: "unknown", action: "many", target: "", outcome, because });
    }
    await audit(db, { at, outcome, ...denial });
  };
}
