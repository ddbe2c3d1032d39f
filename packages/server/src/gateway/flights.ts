/**
 * Requests under way. Where the policy is `cancel-retry`, one whose client has nothing of the answer yet is
 * asked again of the release that is pinned now; what a client has begun to read is finished.
 */
import type { Asked } from "./asked.ts";
import type { PinnedModel, PinSource } from "./pin-source.ts";

/** The pin moved: the request is asked again. */
export class PinMoved extends Error {
  override readonly name = "PinMoved";
}

export interface Flight {
  /** Aborts with `PinMoved`, or as the client leaves. */
  readonly signal: AbortSignal;
  /** The client gets something of the answer: it stays with this release. */
  seal(): void;
  land(): void;
}

export interface Flights {
  /** `left` aborts when the client goes away. */
  take(asked: Asked, release: PinnedModel, target: string, left: AbortSignal): Flight;
  count(): number;
  stop(): void;
}

interface Flying {
  readonly release: PinnedModel;
  readonly target: string;
  readonly cancel: AbortController;
  isSealed: boolean;
}

export function createFlights(pins: PinSource): Flights {
  const flying = new Set<Flying>();
  const stop = pins.onMove((artifacts) => {
    const moved = new Set(artifacts);
    for (const each of flying) if (moved.has(each.release.artifact)) reconsider(each);
  });

  function reconsider({ release, target, cancel, isSealed }: Flying): void {
    if (isSealed) return;
    try {
      const now = pins.resolve(release.artifact, target);
      const isMoved = now.inFlight === "cancel-retry" && now.version !== release.version;
      if (isMoved) cancel.abort(new PinMoved(`it is ${now.version} since epoch ${now.epoch}`));
    } catch {
      // It is pinned no more: what is under way ends as it was begun.
    }
  }

  return {
    stop,
    count: () => flying.size,
    take(asked, release, target, left) {
      const cancel = new AbortController();
      const leave = () => cancel.abort(left.reason);
      if (left.aborted) leave();
      else left.addEventListener("abort", leave);
      // A step of larger work goes by the policy of that.
      const one: Flying = { release, target, cancel, isSealed: asked.key !== null };
      flying.add(one);
      return {
        signal: cancel.signal,
        seal() {
          one.isSealed = true;
        },
        land() {
          flying.delete(one);
          left.removeEventListener("abort", leave);
        },
      };
    },
  };
}
