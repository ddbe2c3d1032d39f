/**
 * How a consumer follows the pins: asks, takes in, swaps, asks again.
 *
 *   P1. What is held is swapped as a whole, and only once all of it is there.
 *   P2. The next question acknowledges what is held; nothing is, until everything was told since the start.
 *   P3. A server that is away changes nothing but `isStale`. Following never ends by itself.
 */
import type { PinNews } from "./api/releases.ts";
import type { JsonValue } from "./api/state.ts";
import { Fault } from "./fault.ts";
import { changedBetween, filled, type Held, heldAfter, missingContents } from "./held-pins.ts";
import type { Client } from "./operations.ts";
import { patiently, pause, pauseAfter } from "./patience.ts";

export interface Following {
  held(): Held;
  isStale(): boolean;
  /** Asks for everything. Waits up to `patienceMs` for a server that is away. */
  begin(patienceMs: number): Promise<void>;
  /** Once, and not for long: what is held meanwhile will do. */
  beginSoon(): Promise<void>;
  /** Goes on until `end`. */
  follow(): void;
  /** Tells the server, and resolves when nothing is under way any more. */
  end(): Promise<void>;
}

export interface FollowingDeps {
  readonly client: Client;
  readonly id: string;
  readonly artifacts: readonly string[] | undefined;
  /** What is held at the beginning. */
  readonly held: Held;
  /** Called after a swap, with the artifacts whose pins moved; may be none. */
  swapped(held: Held, changed: readonly string[]): void;
  onTrouble(fault: Fault): void;
}

const waitMs = 25_000;
/** A server that waits must answer by then; unheard for longer, what is known is stale. */
const unheardMsMax = waitMs + 15_000;
const soonMsMax = 3_000;
const emptyAnswerMs = 500;

export function createFollowing(deps: FollowingDeps): Following {
  const { client, id, artifacts, swapped, onTrouble } = deps;
  const { environment } = deps.held;
  const over = new AbortController();
  let held = deps.held;
  let isStale = true;
  /** Everything was told since the start: what was kept may have been kept for other artifacts. */
  let isWhole = false;
  let heardAt = Number.NEGATIVE_INFINITY;
  let isEnding = false;
  let following: Promise<void> = Promise.resolve();

  type At = Pick<Held, "epoch" | "line">;
  const ask = ({ epoch, line }: At, wait: number, signal: AbortSignal) =>
    client.pollPins(environment, id, { epoch, line, artifacts, waitMs: wait }, signal);
  const askAll = (signal: AbortSignal) => ask({ epoch: 0, line: undefined }, 0, signal);

  /** P1. */
  async function takeIn(news: PinNews): Promise<void> {
    heardAt = Date.now();
    if (news.epoch === held.epoch && news.pins.length === 0 && !news.full) {
      isStale = false;
      return;
    }
    const known = contentsOf(held);
    for (const { artifact, version, digest } of missingContents(news.pins)) {
      if (known.has(digest)) continue;
      const { content } = await client.release(artifact, version);
      if (content !== undefined) known.set(digest, content);
    }
    const before = held;
    held = heldAfter(held, filled(news, known));
    isStale = false;
    isWhole ||= news.full;
    swapped(held, changedBetween(before, held));
  }

  /** P2, P3. */
  async function run(): Promise<void> {
    for (let failures = 0; !isEnding; ) {
      const { epoch } = held;
      const began = Date.now();
      // A server that is back is known to be at once, not when it next has news.
      const wait = isStale ? 0 : waitMs;
      try {
        await takeIn(await (isWhole ? ask(held, wait, over.signal) : askAll(over.signal)));
        failures = 0;
        // A server that ends answers at once: it is not asked again and again.
        const hadNews = wait === 0 || held.epoch !== epoch;
        if (!hadNews && Date.now() - began < emptyAnswerMs) {
          await pause(emptyAnswerMs, over.signal);
        }
      } catch (error) {
        if (isEnding) return;
        isStale = true;
        failures += 1;
        onTrouble(asFault(error));
        await pause(pauseAfter(failures), over.signal);
      }
    }
  }

  return {
    held: () => held,
    isStale: () => isStale || Date.now() - heardAt > unheardMsMax,
    async begin(patienceMs) {
      await takeIn(await patiently({ ms: patienceMs, onTrouble }, () => askAll(over.signal)));
    },
    async beginSoon() {
      try {
        await takeIn(await askAll(AbortSignal.timeout(soonMsMax)));
      } catch (error) {
        onTrouble(asFault(error));
      }
    },
    follow() {
      following = run();
    },
    async end() {
      isEnding = true;
      // One that cannot be told is forgotten by itself within the hour.
      await client.leavePins(environment, id).catch(() => {});
      over.abort();
      await following;
    },
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

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("internal", `Following the pins failed: ${String(error).slice(0, 300)}`, {
    cause: error,
  });
}
