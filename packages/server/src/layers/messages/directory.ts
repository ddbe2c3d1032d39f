/**
 * Which stream takes a subject, answered from memory: every publish asks. A subject that nobody is
 * known to take is looked up once more in the database, since another server may have made its stream.
 */
import type { Query } from "../../store/database.ts";
import { listStreams, type StreamRow } from "./registry-store.ts";
import { isSubject, overlap } from "./subject.ts";

export interface Directory {
  streamFor(subject: string): Promise<StreamRow | null>;
  stream(name: string): Promise<StreamRow | null>;
  /** Another stream that takes some of these subjects. */
  conflict(
    name: string,
    subjects: readonly string[],
  ): Promise<{ readonly stream: string; readonly subject: string } | null>;
  /** A stream was made or changed here. */
  note(row: StreamRow): void;
  /** Reads everything anew. */
  refresh(): Promise<void>;
}

export function createDirectory(db: Query): Directory {
  let byName = new Map<string, StreamRow>();
  let bySubject = new Map<string, string>();
  let patterns: { readonly pattern: string; readonly stream: string }[] = [];
  let loaded = false;

  function index(row: StreamRow): void {
    const before = byName.get(row.name);
    for (const subject of before?.subjects ?? []) bySubject.delete(subject);
    if (before !== undefined) patterns = patterns.filter((each) => each.stream !== row.name);
    byName.set(row.name, row);
    for (const subject of row.subjects) {
      if (isSubject(subject)) bySubject.set(subject, row.name);
      else patterns.push({ pattern: subject, stream: row.name });
    }
  }

  async function refresh(): Promise<void> {
    const rows = await listStreams(db);
    byName = new Map();
    bySubject = new Map();
    patterns = [];
    for (const row of rows) index(row);
    loaded = true;
  }

  function known(subject: string): StreamRow | null {
    const stream =
      bySubject.get(subject) ?? patterns.find((each) => overlap(each.pattern, subject))?.stream;
    return stream === undefined ? null : (byName.get(stream) ?? null);
  }

  return {
    refresh,
    note: index,
    async streamFor(subject) {
      const found = known(subject);
      if (found !== null) return found;
      await refresh();
      return known(subject);
    },
    async stream(name) {
      if (!byName.has(name)) await refresh();
      return byName.get(name) ?? null;
    },
    async conflict(name, subjects) {
      if (!loaded) await refresh();
      for (const subject of subjects) {
        const exact = bySubject.get(subject);
        if (exact !== undefined && exact !== name) return { stream: exact, subject };
        const pattern = patterns.find(
          (each) => each.stream !== name && overlap(each.pattern, subject),
        );
        if (pattern !== undefined) return { stream: pattern.stream, subject: pattern.pattern };
        if (isSubject(subject)) continue;
        for (const [other, stream] of bySubject) {
          if (stream !== name && overlap(other, subject)) return { stream, subject: other };
        }
      }
      return null;
    },
  };
}
