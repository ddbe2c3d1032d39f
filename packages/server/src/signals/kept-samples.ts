/** Samples that are kept until they are stored elsewhere: the newest `max`; what goes in vain is counted. */
import type { Sample } from "./sample.ts";

export interface KeptSamples {
  add(sample: Sample): void;
  /** How many were added so far: a place in the row of them. */
  added(): number;
  /** Those before this place are stored. */
  dropUntil(place: number): void;
  /** The oldest, at most so many. */
  take(most?: number): readonly Sample[];
  putBack(samples: readonly Sample[]): void;
  size(): number;
  /** How many had to go that nobody has: counted when the others are taken. */
  dropped(): number;
}

export function createKeptSamples(max: number): KeptSamples {
  let items: Sample[] = [];
  /** The place of the first that is here, and of the first that nobody has. */
  let first = 0;
  let open = 0;
  let dropped = 0;

  function shorten(): void {
    const over = items.length - max;
    first += over;
    items = items.slice(over);
  }

  return {
    add(sample) {
      items.push(sample);
      // Dropping many at once keeps the cost of a sample constant.
      if (items.length >= max * 2) shorten();
    },
    added: () => first + items.length,
    dropUntil(place) {
      const stored = Math.max(0, place - first);
      items = items.slice(stored);
      first += stored;
      open = Math.max(open, place);
    },
    take(most = max) {
      if (items.length > max) shorten();
      dropped += Math.max(0, first - open);
      const taken = items.slice(0, most);
      items = items.slice(most);
      first += taken.length;
      open = first;
      return taken;
    },
    putBack(samples) {
      items = [...samples, ...items];
      first -= samples.length;
      open = first;
    },
    size: () => items.length,
    dropped: () => dropped,
  };
}
