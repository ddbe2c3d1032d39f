/** What a consumer is told: everything, or what changed since the epoch that it follows. Pure. */
import type { PinNews } from "@lastgood/sdk";
import type { Snapshot } from "./snapshot.ts";

/** Null names every artifact of the environment. */
export type Artifacts = readonly string[] | null;

export function newsSince(snapshot: Snapshot, since: number, artifacts: Artifacts): PinNews {
  const { environment, epoch, line, pins } = snapshot;
  const full = since === 0 || since > epoch;
  const wanted =
    artifacts === null ? [...pins.values()] : artifacts.flatMap((each) => pins.get(each) ?? []);
  return {
    ...{ environment, epoch, line, full },
    pins: full ? wanted : wanted.filter((pin) => pin.epoch > since),
  };
}

const textsMax = 64;

/** The same news as one JSON text for all that ask the same: a thousand consumers ask at once. */
export function createNewsTexts(): (
  snapshot: Snapshot,
  since: number,
  artifacts: Artifacts,
) => string {
  const texts = new Map<string, string>();
  return (snapshot, since, artifacts) => {
    const key = JSON.stringify([snapshot.environment, snapshot.line, since, artifacts]);
    const before = texts.get(key);
    if (before !== undefined) return before;
    const text = JSON.stringify(newsSince(snapshot, since, artifacts));
    texts.set(key, text);
    const [oldest] = texts.keys();
    if (texts.size > textsMax && oldest !== undefined) texts.delete(oldest);
    return text;
  };
}
