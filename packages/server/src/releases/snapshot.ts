/**
 * What is pinned, as it is handed out: kept in memory by environment, read anew when its epoch moved.
 *
 *   S1. What is handed out is read in one statement: an epoch and exactly the pins that belong to it.
 *   S2. Whoever waits is woken at once by a change made here, within a quarter second by one made elsewhere.
 *   S3. While PostgreSQL is away, what was read last goes on being handed out, and is said to be stale.
 */
import type { JsonValue, SnapshotPin } from "@lastgood/sdk";
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import type { Db, Query } from "../store/database.ts";
import { listEnvironments } from "./pin-store.ts";
import { inlineBytesMax } from "./release.ts";

export interface Snapshot {
  readonly environment: string;
  readonly epoch: number;
  /** The mark of the move that made this epoch; empty at epoch 0. */
  readonly line: string;
  readonly pins: ReadonlyMap<string, SnapshotPin>;
}

export interface Snapshots {
  /** An environment that nothing was pinned in is empty, at epoch 0. */
  current(environment: string): Promise<Snapshot>;
  /** Resolves with what is newer than `epoch`, or after `ms`, or when `signal` aborts, with what there is. */
  newerThan(
    environment: string,
    epoch: number,
    wait: { readonly ms: number; readonly signal: AbortSignal },
  ): Promise<Snapshot>;
  /** Its first pin is looked for as well until the returned function is called: nobody may ask for it again. */
  follow(environment: string): () => void;
  /** Called with each snapshot that is new, in the order of their epochs. */
  onChange(listener: (snapshot: Snapshot) => void): () => void;
  /** The pins cannot be looked at now: what is handed out may have been moved since by another server. */
  isStale(): boolean;
  /** Something moved here: resolves once it is handed out. */
  moved(environment: string): Promise<void>;
  /** Whoever waits is answered now, and whoever comes later at once. */
  endWaits(): void;
  stop(): Promise<void>;
}

const lookEveryMs = 250;
/** Not looked at for longer, what is known may be old. */
const unseenMsMax = 10_000;

export function createSnapshots({ db, log }: { db: Db; log: Logger }): Snapshots {
  const known = new Map<string, Snapshot>();
  const reading = new Map<string, Promise<Snapshot>>();
  const waiting = new Map<string, Set<() => void>>();
  const listeners = new Set<(snapshot: Snapshot) => void>();
  /** How many follow each. */
  const followed = new Map<string, number>();
  let ended = false;
  let isAway = false;
  let seenAt = performance.now();

  const wake = (environment: string) => {
    for (const rouse of waiting.get(environment) ?? []) rouse();
  };
  const endWaits = () => {
    ended = true;
    for (const environment of waiting.keys()) wake(environment);
  };

  /** One read at a time per environment: whoever asks meanwhile gets one that began after they asked. */
  async function read(environment: string): Promise<Snapshot> {
    await reading.get(environment)?.catch(() => {});
    const before = reading.get(environment);
    if (before !== undefined) return await before;
    const now = readSnapshot(db, environment).then((snapshot) => {
      const old = known.get(environment);
      // A name under which nothing was ever pinned may be anything, and is not kept.
      if (snapshot.epoch > 0) known.set(environment, snapshot);
      if ((old?.line ?? "") !== snapshot.line) {
        for (const listener of listeners) listener(snapshot);
        wake(environment);
      }
      return snapshot;
    });
    reading.set(environment, now);
    try {
      return await now;
    } finally {
      reading.delete(environment);
    }
  }

  async function look(): Promise<void> {
    for (const { name, epoch } of await listEnvironments(db)) {
      const isAsked = known.has(name) || waiting.has(name) || followed.has(name);
      if (isAsked && known.get(name)?.epoch !== epoch) await read(name);
    }
  }

  const loop: Loop = startLoop({
    name: "releases.snapshots",
    everyMs: lookEveryMs,
    log,
    async run() {
      try {
        await look();
        isAway = false;
        seenAt = performance.now();
      } catch (error) {
        isAway = true;
        throw error;
      }
    },
  });

  async function current(environment: string): Promise<Snapshot> {
    return known.get(environment) ?? (await read(environment));
  }

  return {
    current,
    async newerThan(environment, epoch, { ms, signal }) {
      const read = await current(environment);
      // Whoever heard of it in between has woken nobody yet.
      const now = known.get(environment) ?? read;
      if (now.epoch !== epoch || ms === 0 || ended || signal.aborted) return now;
      const set = waiting.get(environment) ?? new Set();
      waiting.set(environment, set);
      await new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", end);
          set.delete(end);
          if (set.size === 0) waiting.delete(environment);
          resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener("abort", end);
        set.add(end);
      });
      return known.get(environment) ?? now;
    },
    follow(environment) {
      followed.set(environment, (followed.get(environment) ?? 0) + 1);
      return () => {
        const left = (followed.get(environment) ?? 0) - 1;
        if (left > 0) followed.set(environment, left);
        else followed.delete(environment);
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isStale: () => isAway || performance.now() - seenAt > unseenMsMax,
    async moved(environment) {
      try {
        await read(environment);
      } catch (error) {
        // It is written; the loop's next turn reads it.
        log.warn({ err: error, environment }, "a snapshot could not be read; it will be");
      }
    },
    endWaits,
    async stop() {
      endWaits();
      await loop.stop();
      await Promise.allSettled(reading.values());
    },
  };
}

interface Row {
  readonly epoch: number;
  readonly line: string | null;
  readonly artifact: string | null;
  readonly kind: SnapshotPin["kind"];
  readonly inFlight: SnapshotPin["inFlight"];
  readonly pinned: number;
  readonly version: string;
  readonly share: number;
  readonly digest: string;
  readonly reference: string | null;
  readonly body: string | null;
}

/** S1. */
async function readSnapshot(db: Query, environment: string): Promise<Snapshot> {
  const rows = await db<Row[]>`
    select e.epoch, l.change_id as line, p.artifact, a.kind, a.in_flight as "inFlight", p.epoch as pinned, s.version,
           s.share, r.digest, r.reference,
           case when r.bytes <= ${inlineBytesMax} then c.body end as body
    from environments e
    left join pins l on l.environment = e.name and l.epoch = e.epoch
    left join pins p on p.environment = e.name and p.epoch in (
      select max(epoch) from pins where environment = e.name group by artifact)
    left join artifacts a on a.name = p.artifact
    left join pin_shares s on s.environment = p.environment and s.epoch = p.epoch
    left join releases r on r.artifact = s.artifact and r.version = s.version
    left join release_contents c on c.digest = r.digest
    where e.name = ${environment}
    order by p.artifact, s.place`;
  const pins = new Map<string, SnapshotPin>();
  for (const { artifact, kind, inFlight, pinned, body, ...pinnedRelease } of rows) {
    if (artifact === null) continue;
    const content = body === null ? {} : { content: JSON.parse(body) as JsonValue };
    const { version, share, digest, reference } = pinnedRelease;
    const release = { version, share, digest, reference, ...content };
    const before = pins.get(artifact)?.releases ?? [];
    pins.set(artifact, { artifact, kind, inFlight, epoch: pinned, releases: [...before, release] });
  }
  return { environment, epoch: rows[0]?.epoch ?? 0, line: rows[0]?.line ?? "", pins };
}
