import type { Query } from "../store/database.ts";

/** While it is in force, nothing automatic moves anything. */
export interface Freeze {
  readonly by: string;
  readonly reason: string;
  readonly at: Date;
}

const setting = "freeze";

/** The freeze in force, null when there is none. */
export async function readFreeze(db: Query): Promise<Freeze | null> {
  const [row] = await db<{ value: { by: string; reason: string; at: string } | null }[]>`
    select value from settings where name = ${setting}`;
  const value = row?.value ?? null;
  return value === null ? null : { ...value, at: new Date(value.at) };
}

/** A second freeze replaces the first. */
export async function putFreeze(db: Query, freeze: Freeze | null): Promise<void> {
  if (freeze === null) {
    await db`delete from settings where name = ${setting}`;
    return;
  }
  const value = { by: freeze.by, reason: freeze.reason, at: freeze.at.toISOString() };
  await db`
    insert into settings (name, value, updated_at) values (${setting}, ${db.json(value)}, ${freeze.at})
    on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at`;
}
