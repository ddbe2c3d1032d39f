/** The SQL of letting contents go. */
import type { Query, Tx } from "../store/database.ts";
import type { Kept } from "./retention.ts";

/** Newest first; at most `limit`. */
export async function readKept(
  db: Query,
  artifact: string,
  limit: number,
): Promise<readonly Kept[]> {
  return await db<Kept[]>`
    select r.version, r.published_at as "publishedAt",
      exists (select from pin_shares s
        where s.artifact = r.artifact and s.version = r.version) as "wasPinned",
      exists (select from retired_releases t
        where t.artifact = r.artifact and t.version = r.version) as retired
    from releases r where r.artifact = ${artifact}
    order by r.published_at desc, r.version desc limit ${limit}`;
}

/** Whether it is pinned, was live, or may be rolled back to. */
export async function wasPinned(db: Query, artifact: string, version: string): Promise<boolean> {
  const rows = await db`
    select from pin_shares where artifact = ${artifact} and version = ${version} limit 1`;
  return rows.length > 0;
}

/** Their contents go, unless another release has the same. The caller holds the artifact's lock. */
export async function retire(
  tx: Tx,
  artifact: string,
  versions: readonly string[],
  { at, by, because }: { readonly at: Date; readonly by: string; readonly because: string },
): Promise<void> {
  await tx`
    insert into retired_releases (artifact, version, at, by, because)
    select ${artifact}, version, ${at}, ${by}, ${because} from unnest(${[...versions]}::text[]) as version
    on conflict do nothing`;
  await tx`
    delete from release_contents c
    where c.digest in (select digest from releases
        where artifact = ${artifact} and version = any(${[...versions]}))
      and not exists (select from releases r where r.digest = c.digest and not exists (
        select from retired_releases t where t.artifact = r.artifact and t.version = r.version))`;
}
