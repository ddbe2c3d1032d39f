/**
 * Versioned documents against their floor, on one embedded PostgreSQL that syncs every commit to disk.
 *
 * The floor is what the same history would cost without chains: one statement that upserts a head, inserts the
 * version and inserts the same change row under the same indexes. Both sides write the same body to the same
 * number of documents, in rounds that take turns, so that what else the machine does falls on both.
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Write } from "../packages/server/src/layers/state/document.ts";
import {
  createDocumentWriter,
  type DocumentWriter,
} from "../packages/server/src/layers/state/document-writer.ts";
import { type Db, openDatabase } from "../packages/server/src/store/database.ts";
import { startEmbedded } from "../packages/server/src/store/embedded.ts";
import { migrate, readMigrations } from "../packages/server/src/store/migrate.ts";
import { newChangeId, realWorld } from "../packages/server/src/world.ts";

export const name = "versioned-writes";

const rounds = 11;
const roundMs = 700;
const writers = 8;
const crowd = 400;
const documents = 2_000;

export interface VersionedWrites {
  readonly rounds: number;
  readonly writers: number;
  /** Each of ours beside the floor. `single` is the one whose ratio must be >= 0.75. */
  readonly single: Compared;
  readonly served: Compared;
  readonly batched: Compared;
}

/** Writes a second, medians; and the median of the rounds' own ratios, with all of them. */
interface Compared {
  readonly floor: number;
  readonly ours: number;
  readonly ratio: number;
  readonly ratios: readonly number[];
}

/**
 * `single`: one row a statement, 8 writers. `served`: the same writers through the server's writer, as every
 * request goes. `batched`: 400 writers at once through it, which makes statements of 100.
 */
export async function run(): Promise<VersionedWrites> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  // PostgreSQL may run under an account of its own, which has to reach its home.
  await chmod(folder, 0o755);
  const server = await startEmbedded({ home: join(folder, "home") });
  try {
    return {
      ...{ rounds, writers },
      single: await compare(server.url, "single", (writer, db) =>
        rate(writers, (write) => writer.writeAll(db, [write])),
      ),
      served: await compare(server.url, "served", (writer) => rate(writers, writer.write)),
      batched: await compare(server.url, "batched", (writer) => rate(crowd, writer.write)),
    };
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * In a database of its own, where both sides' tables start empty and grow alike: how large its indexes have
 * become says more about an insert than what is measured here.
 */
async function compare(
  url: string,
  database: string,
  ours: (writer: DocumentWriter, db: Db) => Promise<number>,
): Promise<Compared> {
  const admin = openDatabase(url, { max: 1 });
  await admin.unsafe(`create database ${database}`);
  await admin.end({ timeout: 5 });
  const own = new URL(url);
  own.pathname = `/${database}`;
  const db = openDatabase(own.href, { max: writers });
  try {
    await migrate(db, await readMigrations());
    await db.unsafe(floorTables);
    const writer = createDocumentWriter({ db, world: realWorld, readers: () => [] });
    return await inTurns({
      floor: () => rate(writers, (write) => writeFloor(db, write)),
      ours: () => ours(writer, db),
    });
  } finally {
    await db.end({ timeout: 5 });
  }
}

async function inTurns(sides: Record<"floor" | "ours", () => Promise<number>>): Promise<Compared> {
  await sides.floor();
  await sides.ours();
  const found: Record<"floor" | "ours", number>[] = [];
  for (let round = 0; round < rounds; round++) {
    const rates = { floor: 0, ours: 0 };
    // Whoever comes first has the quieter disk: they take turns at that, too.
    const turns = round % 2 === 0 ? (["floor", "ours"] as const) : (["ours", "floor"] as const);
    for (const side of turns) rates[side] = await sides[side]();
    found.push(rates);
  }
  const ratios = found.map(({ floor, ours }) => ours / floor);
  return {
    floor: Math.round(median(found.map(({ floor }) => floor))),
    ours: Math.round(median(found.map(({ ours }) => ours))),
    ratio: rounded(median(ratios)),
    ratios: ratios.map(rounded),
  };
}

/** Writes a second by `count` writers, each waiting for its answer before the next write. */
async function rate(count: number, write: (write: Write) => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let written = 0;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (performance.now() - began < roundMs) {
        await write(nextWrite());
        written += 1;
      }
    }),
  );
  return written / ((performance.now() - began) / 1_000);
}

const body = JSON.stringify({
  publish: true,
  state: "draft",
  tags: ["launch", "spring"],
  text: "A body of about two hundred bytes, as most shared documents of agents are. ".repeat(2),
});
let made = 0;

function nextWrite(): Write {
  made += 1;
  return {
    collection: "posts",
    id: `post-${(made * 7_919) % documents}`,
    expect: null,
    operation: "put",
    body,
    change: newChangeId(realWorld),
    agent: "marketing",
    task: "T-1",
    session: "s-1",
    reason: "measured",
  };
}

const floorTables = `
  create table floor_documents (
    collection text, id text, ver bigint not null, at_us bigint not null, removed boolean not null,
    primary key (collection, id)) with (fillfactor = 80);
  create table floor_versions (
    collection text, id text, ver bigint, at_us bigint not null, change_id uuid not null,
    agent text not null, body text, primary key (collection, id, ver));
  create table floor_changes (like changes including all)`;

async function writeFloor(db: Db, write: Write): Promise<void> {
  const { collection, id, change, agent, task, session, reason } = write;
  await db`
    with head as (
      insert into floor_documents as d (collection, id, ver, at_us, removed)
      values (${collection}, ${id}, 1, ${Date.now() * 1_000}, false)
      on conflict (collection, id) do update set
        ver = d.ver + 1, at_us = greatest(excluded.at_us, d.at_us + 1)
      returning *),
    version as (
      insert into floor_versions
      select collection, id, ver, at_us, ${change}::uuid, ${agent}::text, ${write.body}::text from head)
    insert into floor_changes (
      id, at, layer, kind, target, agent, task, session, from_ref, to_ref, reason)
    select ${change}::uuid, timestamptz 'epoch' + at_us * interval '1 us', 'state', 'put',
           collection || '/' || id, ${agent}, ${task}, ${session},
           nullif(ver - 1, 0)::text, ver::text, ${reason}
    from head returning to_ref`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
