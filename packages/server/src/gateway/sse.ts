/** A stream of server-sent events, taken apart while it passes. Bytes come out as they came in. */

export interface StreamedEvent {
  /** As it came, with the empty line that ends it. */
  readonly bytes: Buffer;
  readonly name: string | null;
  /** Of all its data lines; null for a comment. */
  readonly data: string | null;
}

export interface EventSplitter {
  /** The events that are whole now. Throws where one grows beyond the bound. */
  push(chunk: Buffer): readonly StreamedEvent[];
  /** What is left of an event that did not end. */
  rest(): number;
}

export class EventTooLarge extends Error {
  override readonly name = "EventTooLarge";
}

export function createEventSplitter(bytesMax: number): EventSplitter {
  let pending: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const events: StreamedEvent[] = [];
      let from = 0;
      for (;;) {
        const end = endOfEvent(pending, from);
        if (end < 0) break;
        events.push(eventOf(pending.subarray(from, end)));
        from = end;
      }
      pending = pending.subarray(from);
      if (pending.length > bytesMax) throw new EventTooLarge();
      return events;
    },
    rest: () => pending.length,
  };
}

const lineFeed = 10;
const carriageReturn = 13;

/** The index after the empty line that ends the event which begins at `from`; -1 where it has not ended. */
function endOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(lineFeed, from); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) {
    const next = bytes[at + 1];
    if (next === lineFeed) return at + 2;
    if (next === carriageReturn && bytes[at + 2] === lineFeed) return at + 3;
  }
  return -1;
}

function eventOf(bytes: Buffer): StreamedEvent {
  const text = bytes.toString("utf8");
  let name: string | null = null;
  let data: string | null = null;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("data:")) {
      const value = line.slice(line.startsWith("data: ") ? 6 : 5);
      data = data === null ? value : `${data}\n${value}`;
    } else if (line.startsWith("event:")) name = line.slice(6).trim();
  }
  return { bytes, name, data };
}
