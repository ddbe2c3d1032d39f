/**
 * The pins of an environment as a consumer follows them: pushed by the server, resolved here.
 *
 *     start ──> first news ──> wait for news ──> fetch what is large ──> swap ──> drop caches ──> acknowledge
 *                  │ away: from the storage, `stale`                                                  │
 *                  └──────────────────────────────── wait again <─────────────────────────────────────┘
 *
 *   P1. A resolve reads memory, and nothing else.
 *   P2. News is taken in whole or not at all, and acknowledged by the next request, once it is in force.
 *   P3. A server that is away changes nothing but `stale`. Following never ends by itself.
 */
import type { PinNews, SnapshotPin } from "./api/releases.ts";
import type { JsonValue } from "./api/state.ts";
import { environment as variable } from "./environment.ts";
import { Fault } from "./fault.ts";
import {
  changedBetween,
  filled,
  type Held,
  heldAfter,
  missingContents,
  nothingHeld,
  type Resolved,
  resolveIn,
} from "./held-pins.ts";
import type { Client } from "./operations.ts";
import { patiently, pause, pauseAfter } from "./patience.ts";
import { createReleaseCache, type ReleaseCache } from "./release-cache.ts";

export type { Resolved } from "./held-pins.ts";

/** Where the last snapshot is kept for the next start. `@lastgood/sdk/file` has one for a file. */
export interface SnapshotStorage {
  /** Null where nothing was kept. */
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

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
  /** A client whose writes are `fenced` once the pin that was resolved by has moved. */
  clientFor(resolved: Resolved, session?: string): Client;
  /** Follows no more, and says so to the server. Safe to repeat. */
  close(): Promise<void>;
}

const patienceMsDefault = 60_000;
const waitMs = 25_000;
/** A server that waits must answer by then; unheard for longer, what is known is stale. */
const unheardMsMax = waitMs + 15_000;
/** With a snapshot at hand nobody waits long for the server. */
const firstMsMax = 3_000;
const emptyAnswerMs = 500;

/** `clientWith` makes a client that says what was resolved, and in which session. */
export async function followReleases(
  client: Client,
  clientWith: (epoch: string, session: string | undefined) => Client,
  options: ReleasesOptions,
): Promise<Releases> {
  const {
    environment = variable("LASTGOOD_ENVIRONMENT") ?? "production",
    id = crypto.randomUUID(),
    artifacts,
    storage,
    patienceMs = patienceMsDefault,
  } = options;
  const trouble = (fault: Fault) => options.onTrouble?.(fault);
  const over = new AbortController();
  const caches: { readonly artifact: string; drop(): void }[] = [];
  const listeners = new Set<(artifacts: readonly string[]) => void>();
  let held: Held = nothingHeld(environment);
  let isStale = true;
  let heardAt = Number.NEGATIVE_INFINITY;
  let saving: Promise<void> = Promise.resolve();
  let isClosing = false;
  let leaving: Promise<void> | null = null;

  const ask = (epoch: number, wait: number, signal: AbortSignal) =>
    client.pollPins(environment, id, { epoch, artifacts, waitMs: wait }, signal);

  function swap(next: Held): void {
    const changed = changedBetween(held, next);
    held = next;
    for (const cache of caches) if (changed.includes(cache.artifact)) cache.drop();
    if (changed.length > 0) for (const listener of [...listeners]) listener(changed);
  }

  /** P2. */
  async function takeIn(news: PinNews): Promise<void> {
    isStale = false;
    heardAt = Date.now();
    if (news.epoch === held.epoch && news.pins.length === 0 && !news.full) return;
    const known = contentsOf(held);
    for (const { artifact, version, digest } of missingContents(news.pins)) {
      if (known.has(digest)) continue;
      const { content } = await client.release(artifact, version);
      if (content !== undefined) known.set(digest, content);
    }
    swap(heldAfter(held, filled(news, known)));
    if (storage !== undefined) saving = saving.then(() => keep(storage, held)).catch(trouble);
  }

  async function follow(): Promise<void> {
    for (let failures = 0; !isClosing; ) {
      const { epoch } = held;
      const began = Date.now();
      // A server that is back is known to be at once, not when it next has news.
      const wait = isStale ? 0 : waitMs;
      try {
        await takeIn(await ask(epoch, wait, over.signal));
        failures = 0;
        // A server that ends answers at once: it is not asked again and again.
        const hadNews = wait === 0 || held.epoch !== epoch;
        if (!hadNews && Date.now() - began < emptyAnswerMs) {
          await pause(emptyAnswerMs, over.signal);
        }
      } catch (error) {
        if (isClosing) return;
        isStale = true;
        failures += 1;
        trouble(asFault(error));
        await pause(pauseAfter(failures), over.signal);
      }
    }
  }

  const stored = storage === undefined ? null : await loadStored(storage, environment, trouble);
  if (stored !== null) held = stored;
  try {
    // Everything anew: what was kept may have been kept for other artifacts.
    const first = (signal: AbortSignal) => ask(0, 0, signal);
    await takeIn(
      stored === null
        ? await patiently({ ms: patienceMs, onTrouble: trouble }, () => first(over.signal))
        : await first(AbortSignal.any([over.signal, AbortSignal.timeout(firstMsMax)])),
    );
  } catch (error) {
    if (stored === null) throw error;
    trouble(asFault(error));
  }
  const following = follow();

  async function leave(): Promise<void> {
    isClosing = true;
    // One that cannot be told is forgotten by itself within the hour.
    await client.leavePins(environment, id).catch(() => {});
    over.abort();
    await following;
    await saving;
  }

  function close(): Promise<void> {
    leaving ??= leave();
    return leaving;
  }

  return {
    ...{ id, environment, close },
    get epoch() {
      return held.epoch;
    },
    get stale() {
      return isStale || Date.now() - heardAt > unheardMsMax;
    },
    resolve: (artifact, key) => resolveIn(held, artifact, key),
    cacheFor<T>(artifact: string) {
      const cache = createReleaseCache<T>(() => held.pins.get(artifact)?.pin.epoch ?? 0);
      caches.push({ artifact, drop: cache.drop });
      return cache;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    clientFor: ({ artifact, epoch }, session) =>
      clientWith(`${environment}/${artifact}=${epoch}`, session),
    [Symbol.asyncDispose]: close,
  };
}

function contentsOf({ pins }: Held): Map<string, JsonValue> {
  const contents = new Map<string, JsonValue>();
  for (const { resolved } of pins.values()) {
    for (const { digest, content } of resolved) {
      if (content !== undefined) contents.set(digest, content);
    }
  }
  return contents;
}

const storedForm = 1;

interface Stored {
  readonly form: typeof storedForm;
  readonly environment: string;
  readonly epoch: number;
  readonly pins: readonly SnapshotPin[];
}

async function keep(storage: SnapshotStorage, { environment, epoch, pins }: Held): Promise<void> {
  const stored: Stored = {
    ...{ form: storedForm, environment, epoch },
    pins: [...pins.values()].map(({ pin }) => pin),
  };
  try {
    await storage.save(JSON.stringify(stored));
  } catch (cause) {
    throw new Fault(
      "store_unreachable",
      `The snapshot of ${environment} could not be kept: without Lastgood the next start has an older one, or none.`,
      { cause },
    );
  }
}

/** Null where nothing usable was kept: that is told, and no reason not to start. */
async function loadStored(
  storage: SnapshotStorage,
  environment: string,
  trouble: (fault: Fault) => void,
): Promise<Held | null> {
  try {
    const text = await storage.load();
    if (text === null) return null;
    const { form, pins, epoch, ...stored } = JSON.parse(text) as Stored;
    if (form !== storedForm || stored.environment !== environment) return null;
    return heldAfter(nothingHeld(environment), { environment, epoch, full: true, pins });
  } catch (cause) {
    const message = `What was kept of ${environment} cannot be read, and is left aside: ${String(cause).slice(0, 200)}`;
    trouble(new Fault("store_unreachable", message, { cause }));
    return null;
  }
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", `Following the pins failed: ${String(error).slice(0, 300)}`, {
    cause: error,
  });
}
