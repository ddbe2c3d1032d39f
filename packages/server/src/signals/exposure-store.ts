import type { Query } from "../store/database.ts";
import { type Announcement, announcementsIn } from "./announced.ts";

/**
 * Whether any change was exposed to one of these services since then. A change of what runs is exposed
 * by itself, and so is a document: which service read it is not known here.
 */
export async function hasExposedChange(
  db: Query,
  services: readonly string[],
  since: Date,
): Promise<boolean> {
  const [row] = await db<{ found: boolean }[]>`
    select exists (
        select from exposures where service = any(${[...services]}::text[]) and exposed_at >= ${since}
      ) or exists (
        select from changes where at >= ${since}
          and (layer = 'state' or (layer = 'runtime' and target = any(${[...services]}::text[])))
      ) as found`;
  return row?.found ?? false;
}

/** What the changes exposed to these services in the last 30 days announced beforehand. */
export async function findAnnouncements(
  db: Query,
  services: readonly string[],
  now: Date,
): Promise<readonly Announcement[]> {
  const rows = await db<{ id: string; expected: unknown }[]>`
    select distinct c.id, c.details->'expected' as expected
    from changes c join exposures e on e.change_id = c.id
    where e.service = any(${[...services]}::text[])
      and e.exposed_at >= ${now}::timestamptz - interval '30 days'
      and c.details ? 'expected'
    limit 100`;
  return rows.flatMap(({ id, expected }) =>
    (Array.isArray(expected) ? expected : []).flatMap((text: unknown) =>
      typeof text === "string" ? announcementsIn(text, id) : [],
    ),
  );
}
