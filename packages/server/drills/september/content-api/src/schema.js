import { readFile } from "node:fs/promises";

const declaredIndex = /create index if not exists (\w+)/g;

/** Brings the database to schema.sql: creates what is missing, drops indexes that are not declared. */
export async function applySchema(database) {
  const text = await readFile(new URL("../schema.sql", import.meta.url), "utf8");
  await database.unsafe(text);
  const declared = [...text.matchAll(declaredIndex)].map(([, name]) => name);
  const undeclared = await database`
    select indexname as name from pg_indexes
    where schemaname = 'public' and not indexname = any(${declared})
      and indexname not in (select conname from pg_constraint)`;
  for (const { name } of undeclared) await database`drop index if exists ${database(name)}`;
}
