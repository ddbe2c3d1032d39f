/** The pins as a consumer holds them: everything that a resolve needs, ready. Pure. */
import type {
  ArtifactKind,
  InFlightPolicy,
  PinNews,
  PinnedRelease,
  SnapshotPin,
} from "./api/releases.ts";
import type { JsonValue } from "./api/state.ts";
import { chosen } from "./bucket.ts";
import { Fault } from "./fault.ts";

/** The release that a key gets. One object per release and pin, whoever asks. */
export interface Resolved {
  readonly environment: string;
  readonly artifact: string;
  readonly kind: ArtifactKind;
  /** What happens to work that was begun by it once its pin moves. */
  readonly inFlight: InFlightPolicy | null;
  readonly version: string;
  readonly digest: string;
  /** Of the pin that it was resolved by. */
  readonly epoch: number;
  /** What the release names instead of holding it; null where it has a content. */
  readonly reference: string | null;
  /** Undefined for a reference. */
  readonly content: JsonValue | undefined;
}

export interface HeldPin {
  readonly pin: SnapshotPin;
  readonly resolved: readonly Resolved[];
}

export interface Held {
  readonly environment: string;
  readonly epoch: number;
  /** What came with the epoch; undefined before the first. */
  readonly line: string | undefined;
  readonly pins: ReadonlyMap<string, HeldPin>;
}

export function nothingHeld(environment: string): Held {
  return { environment, epoch: 0, line: undefined, pins: new Map() };
}

/** With the news taken in; pins that did not change are the same objects. */
export function heldAfter(held: Held, { epoch, line, full, pins }: News): Held {
  const { environment } = held;
  const next = new Map(full ? [] : held.pins);
  for (const pin of pins) next.set(pin.artifact, ready(environment, pin));
  return { environment, epoch, line, pins: next };
}

/** As it is told, or as it was kept. */
export type News = Omit<PinNews, "line"> & { readonly line: string | undefined };

function ready(environment: string, pin: SnapshotPin): HeldPin {
  const { artifact, kind, inFlight = null, epoch, releases } = pin;
  const resolved = releases.map(({ version, digest, reference, content }) =>
    Object.freeze({
      ...{ environment, artifact, kind, inFlight, version, digest, epoch, reference, content },
    }),
  );
  return { pin, resolved };
}

/** Artifacts whose pin is another one, or gone. */
export function changedBetween(before: Held, after: Held): readonly string[] {
  const names = new Set([...before.pins.keys(), ...after.pins.keys()]);
  return [...names].filter(
    (name) => !isSamePin(before.pins.get(name)?.pin, after.pins.get(name)?.pin),
  );
}

/** Of another line of the database the same epoch is another pin. */
function isSamePin(one: SnapshotPin | undefined, other: SnapshotPin | undefined): boolean {
  if (one === undefined || other === undefined || one === other) return one === other;
  const sayShares = ({ releases }: SnapshotPin) =>
    JSON.stringify(releases.map(({ version, share, digest }) => [version, share, digest]));
  return one.epoch === other.epoch && sayShares(one) === sayShares(other);
}

/** Faults `not_found` and, for a split pin without a key, `bad_input`. */
export function resolveIn(held: Held, artifact: string, key: string | undefined): Resolved {
  const found = held.pins.get(artifact);
  if (found === undefined) throw notPinned(held, artifact);
  const { resolved, pin } = found;
  const [only] = resolved;
  if (only !== undefined && resolved.length === 1) return only;
  if (key === undefined) throw keyMissing(held, artifact, resolved.length);
  return resolved[chosen(pin.releases, artifact, key)] ?? notReached();
}

/** Contents that are not in the news: over 16 kB, they are read one by one. */
export function missingContents(pins: readonly SnapshotPin[]): readonly Missing[] {
  return pins.flatMap(({ artifact, releases }) =>
    releases
      .filter(({ reference, content }) => reference === null && content === undefined)
      .map(({ version, digest }) => ({ artifact, version, digest })),
  );
}

export type Missing = { readonly artifact: string } & Pick<PinnedRelease, "version" | "digest">;

/** The same news with the contents filled in, by digest. */
export function filled(news: PinNews, contents: ReadonlyMap<string, JsonValue>): PinNews {
  const fill = (release: PinnedRelease): PinnedRelease =>
    release.reference === null && release.content === undefined
      ? { ...release, content: contents.get(release.digest) }
      : release;
  return { ...news, pins: news.pins.map((pin) => ({ ...pin, releases: pin.releases.map(fill) })) };
}

function notPinned({ environment, pins }: Held, artifact: string): Fault {
  const known = [...pins.keys()].slice(0, 10).join(", ");
  return new Fault(
    "not_found",
    `${artifact.slice(0, 100)} is not pinned in ${environment}, or not followed here (followed: ${known === "" ? "nothing" : known}): deploy it, and name it in \`artifacts\`.`,
    { context: { environment, artifact } },
  );
}

function keyMissing({ environment }: Held, artifact: string, releases: number): Fault {
  return new Fault(
    "bad_input",
    `${artifact} is split between ${releases} releases in ${environment}: resolve it with a key, such as the user's or the task's id.`,
    { context: { environment, artifact } },
  );
}

function notReached(): never {
  throw new Error("a share without a release");
}
