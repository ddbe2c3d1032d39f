/**
 * What sessions read of state, so that their successors learn what has changed since.
 *
 *   D1. A read waits for nothing: it is noted in memory and written with others, a moment later.
 *   D2. Of each document the last version that was read counts; of each session the last 1,000 documents.
 *   D3. A server that dies loses what it had not written: at most `everyMs` of reads.
 */
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";

export interface SessionReads {
  note(session: string, document: ReadDocument): void;
  /** Writes what is noted, and returns when it is there. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export interface ReadDocument {
  readonly collection: string;
  readonly id: string;
  readonly version: number;
}

interface Read extends ReadDocument {
  readonly session: string;
  readonly at: Date;
}

const everyMs = 250;
const keptPerSession = 900;
/** After so many new documents of a session its oldest are let go: it has never more than both together. */
const newBetweenTrims = 100;
const countedSessionsMax = 10_000;
const notedMax = 20_000;
const keptDays = 30;
const turnsBetweenTrims = 2_400;
const trimmedAtOnce = 10_000;

export function createSessionReads({
  db,
  world,
  log,
}: {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
}): SessionReads {
  let noted = new Map<string, Read>();
  const fresh = new Map<string, number>();
  let writing = Promise.resolve();
  let turns = 0;

  async function write(): Promise<void> {
    if (noted.size === 0) return;
    const taken = noted;
    noted = new Map();
    try {
      await letGo(await writeReads(db, [...taken.values()]));
    } catch (error) {
      // What was noted meanwhile is newer.
      noted = new Map([...taken, ...noted].slice(-notedMax));
      throw error;
    }
  }

  /** D2. */
  async function letGo(added: ReadonlyMap<string, number>): Promise<void> {
    for (const [session, count] of added) {
      const since = (fresh.get(session) ?? 0) + count;
      fresh.set(session, since);
      if (since < newBetweenTrims) continue;
      await keepNewest(db, session);
      fresh.delete(session);
    }
    if (fresh.size > countedSessionsMax) fresh.clear();
  }

  function flush(): Promise<void> {
    writing = writing.catch(() => {}).then(write);
    return writing;
  }

  const loop: Loop = startLoop({
    name: "session reads",
    everyMs,
    log,
    async run() {
      await flush();
      turns = (turns + 1) % turnsBetweenTrims;
      if (turns === 0) await trim(db, world.now());
    },
  });

  return {
    flush,
    note(session, { collection, id, version }) {
      const key = `${session}\n${collection}\n${id}`;
      // A database that is away must not fill the memory.
      if (noted.size >= notedMax && !noted.has(key)) return;
      noted.set(key, { session, collection, id, version, at: world.now() });
    },
    async stop() {
      await loop.stop();
      await flush();
    },
  };
}

/** Answers with how many were new, by session. A name that was never opened as a session keeps nothing. */
async function writeReads(db: Db, reads: readonly Read[]): Promise<ReadonlyMap<string, number>> {
  const rows = await db<{ session: string; isNew: boolean }[]>`
    insert into session_reads (session, collection, id, version, at)
    select r.* from unnest(
      ${reads.map((each) => each.session)}::text[], ${reads.map((each) => each.collection)}::text[],
      ${reads.map((each) => each.id)}::text[], ${reads.map((each) => each.version)}::bigint[],
      ${reads.map((each) => each.at.toISOString())}::timestamptz[])
      as r (session, collection, id, version, at)
    where exists (select from sessions s where s.id = r.session)
    on conflict (session, collection, id) do update set
      version = excluded.version, at = excluded.at
    returning session, xmax = 0 as "isNew"`;
  const added = Map.groupBy(
    rows.filter(({ isNew }) => isNew),
    ({ session }) => session,
  );
  return new Map([...added].map(([session, each]) => [session, each.length]));
}

async function keepNewest(db: Db, session: string): Promise<void> {
  await db`
    delete from session_reads d using (
      select collection, id from session_reads where session = ${session}
      order by at desc, collection, id offset ${keptPerSession}) old
    where d.session = ${session} and d.collection = old.collection and d.id = old.id`;
}

async function trim(db: Db, now: Date): Promise<void> {
  await db`
    delete from session_reads where ctid = any(array(
      select ctid from session_reads
      where at < ${now}::timestamptz - ${keptDays} * interval '1 day' limit ${trimmedAtOnce}))`;
}
