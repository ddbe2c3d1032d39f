/**
 * `afterCrash: pause`: what was under way when this server started, and was left by one that died, waits for a
 * person. What another server is running goes on: from outside the two look alike for a moment, until the lease
 * is renewed, given back or taken again, or nobody has touched it for so long that nobody will.
 */
import type { RecoveryId } from "../ids.ts";
import type { Query } from "../store/database.ts";

export interface LeftBehind {
  /** Whether it is not known yet; such a one is not taken up. */
  has(id: RecoveryId): boolean;
  /** Looks again at what is not known yet. */
  look(): Promise<void>;
}

/** Several times longer than one that only waits for somebody is left alone by the server that runs it. */
const untouchedMs = 15_000;
const because = "Lastgood was restarted (afterCrash: pause)";

interface Row {
  readonly id: RecoveryId;
  /** The state of its lease. */
  readonly lease: string;
  readonly untouched: boolean;
}

export async function findLeftBehind(db: Query): Promise<LeftBehind> {
  const unknown = new Map((await underWay(db, null)).map(({ id, lease }) => [id, lease] as const));

  async function look(): Promise<void> {
    if (unknown.size === 0) return;
    const now = new Map((await underWay(db, [...unknown.keys()])).map((row) => [row.id, row]));
    for (const [id, before] of unknown) {
      const row = now.get(id);
      const isSame = row?.lease === before;
      if (isSame && !row.untouched) continue;
      if (isSame) await pause(db, id);
      unknown.delete(id);
    }
  }

  await look();
  return { look, has: (id) => unknown.has(id) };
}

async function underWay(db: Query, ids: readonly RecoveryId[] | null): Promise<readonly Row[]> {
  return await db<Row[]>`
    select r.id, coalesce(l.epoch || ' ' || l.expires_at, '') as lease,
           coalesce(l.expires_at, r.started_at) < now() - ${untouchedMs} * interval '1 ms' as untouched
    from recoveries r left join leases l on l.name = 'recovery:' || r.id
    where r.state = 'running' ${ids === null ? db`` : db`and r.id = any(${[...ids]})`}`;
}

async function pause(db: Query, id: RecoveryId): Promise<void> {
  await db`
    update recoveries set state = 'paused', because = ${because}
    where id = ${id} and state = 'running' and not exists (
      select from leases where name = 'recovery:' || id and expires_at > now())`;
}
