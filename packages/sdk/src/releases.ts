/**
 * The pins of an environment as a consumer has them: pushed by the server, resolved here.
 *
 *     start ──> first news ──> wait for news ──> fetch what is large ──> swap ──> drop caches ──> acknowledge
 *                  │ away: from the storage, `stale`                                                  │
 *                  └──────────────────────────────── wait again <─────────────────────────────────────┘
 *
 * A resolve reads memory, and nothing else.
 */
import type { JsonValue } from "./api/state.ts";
import { createBacklog } from "./backlog.ts";
import { environment as variable } from "./environment.ts";
import { Fault } from "./fault.ts";
import { createFollowing } from "./following.ts";
import { type Held, nothingHeld, type Resolved, resolveIn } from "./held-pins.ts";
import type { Client } from "./operations.ts";
import { createReleaseCache, type ReleaseCache } from "./release-cache.ts";
import { loadHeld, type SnapshotStorage, saveHeld } from "./snapshot-storage.ts";
import { doWork, type Work, type WorkOptions } from "./work.ts";

export type { Resolved } from "./held-pins.ts";
export type { SnapshotStorage } from "./snapshot-storage.ts";

export interface ReleasesOptions {
  /** Default: LASTGOOD_ENVIRONMENT, otherwise `production`. */
  readonly environment?: string | undefined;
  /** What is followed, at most 1,000. Default: everything that is pinned. */
  readonly artifacts?: readonly string[] | undefined;
  /** How this consumer is listed. Default: one of its own for each start. */
  readonly id?: string | undefined;
  readonly storage?: SnapshotStorage | undefined;
  /** How long the start waits for a server that is away, where nothing was kept. Default 60,000. */
  readonly patienceMs?: number | undefined;
  /** Called when the server is away or refuses, and when the snapshot cannot be kept. */
  onTrouble?(fault: Fault): void;
}

export interface Releases extends AsyncDisposable {
  readonly id: string;
  readonly environment: string;
  /** The last change that is in force here; 0 before the first. */
  readonly epoch: number;
  /** True while the server is not heard of: what is resolved may have been rolled back since. */
  readonly stale: boolean;
  /**
   * The release that `key` gets: of a split pin always the same for the same key. `not_found` for what is not
   * pinned, `bad_input` for a split pin without a key.
   */
  resolve(artifact: string, key?: string): Resolved;
  /** Values by release, dropped when the artifact's pin moves. */
  cacheFor<T>(artifact: string): ReleaseCache<T>;
  /** Called after a change is in force, with the artifacts whose pins moved. Returns how to end it. */
  onChange(listener: (artifacts: readonly string[]) => void): () => void;
  /**
   * Does work under the release that its key gets, and tells the server how it went. What was finished under the
   * key before is not done again: its output is returned. `target_busy` while somebody else is at it, `too_many` where
   * 1,000 ends wait for a server that is away: nothing was begun.
   */
  run<T extends JsonValue>(
    artifact: string,
    work: WorkOptions,
    act: (work: Work) => Promise<T> | T,
  ): Promise<T>;
  /** A client whose writes are `fenced` once the pin that was resolved by has moved. */
  clientFor(resolved: Resolved, session?: string): Client;
  /** Follows no more, and says so to the server. Safe to repeat. */
  close(): Promise<void>;
}

const patienceMsDefault = 60_000;

/** `clientWith` makes a client that says what was resolved, and in which session. */
export async function followReleases(
  client: Client,
  clientWith: (epoch: string, session: string | undefined) => Client,
  options: ReleasesOptions,
): Promise<Releases> {
  const { environment = variable("LASTGOOD_ENVIRONMENT") ?? "production" } = options;
  const { id = crypto.randomUUID(), artifacts, storage } = options;
  const onTrouble = (fault: Fault) => options.onTrouble?.(fault);
  const caches: { readonly artifact: string; drop(): void }[] = [];
  const listeners = new Set<(artifacts: readonly string[]) => void>();
  let saving: Promise<void> = Promise.resolve();

  function swapped(held: Held, changed: readonly string[]): void {
    for (const cache of caches) if (changed.includes(cache.artifact)) cache.drop();
    if (storage !== undefined) saving = saving.then(() => saveHeld(storage, held)).catch(onTrouble);
    if (changed.length > 0) for (const listener of [...listeners]) listener(changed);
  }

  const kept = storage === undefined ? null : await loadUsable(storage, environment, onTrouble);
  const following = createFollowing({
    ...{ client, id, artifacts, swapped, onTrouble },
    held: kept ?? nothingHeld(environment),
  });
  if (kept === null) await following.begin(options.patienceMs ?? patienceMsDefault);
  else await following.beginSoon();
  following.follow();

  const backlog = createBacklog(onTrouble);
  let closing: Promise<void> | null = null;
  function close(): Promise<void> {
    closing ??= tellRest()
      .then(() => following.end())
      .then(() => saving);
    return closing;
  }
  /** What still cannot be told is told as trouble: closing waits for nobody. */
  async function tellRest(): Promise<void> {
    if (backlog.isEmpty()) return;
    try {
      await backlog.tell();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      onTrouble(error);
    }
  }

  return {
    ...{ id, environment, close },
    get epoch() {
      return following.held().epoch;
    },
    get stale() {
      return following.isStale();
    },
    resolve: (artifact, key) => resolveIn(following.held(), artifact, key),
    cacheFor<T>(artifact: string) {
      const epoch = () => following.held().pins.get(artifact)?.pin.epoch ?? 0;
      const cache = createReleaseCache<T>(epoch);
      caches.push({ artifact, drop: cache.drop });
      return cache;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    run(artifact, work, act) {
      const working = { client, environment, backlog, onTrouble };
      const resolve = (name: string, key: string) => resolveIn(following.held(), name, key);
      return doWork({ ...working, resolve }, artifact, work, act);
    },
    clientFor: ({ artifact, epoch }, session) =>
      clientWith(`${environment}/${artifact}=${epoch}`, session),
    [Symbol.asyncDispose]: close,
  };
}

/** What cannot be read is told, and no reason not to start. */
async function loadUsable(
  storage: SnapshotStorage,
  environment: string,
  onTrouble: (fault: Fault) => void,
): Promise<Held | null> {
  try {
    return await loadHeld(storage, environment);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    onTrouble(error);
    return null;
  }
}
