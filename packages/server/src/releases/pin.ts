/**
 * What an environment runs of an artifact, and how that changes. Pure.
 *
 *   N1. Shares are whole, name explicit releases, and add up to 100, 1,000 or 10,000.
 *   N2. The release that came last stands last: raising its share moves no key that it already has.
 *   N3. Every pin but the first knows where to go back to: to the last pin without what came last.
 */
import type { PinShare } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { ChangeId } from "../ids.ts";

export const totals: readonly number[] = [100, 1_000, 10_000];
export const sharesMax = 20;

export interface Pin {
  readonly environment: string;
  readonly artifact: string;
  readonly epoch: number;
  readonly shares: readonly PinShare[];
  readonly did: "deploy" | "rollback" | "recovery";
  readonly by: string;
  readonly because: string;
  readonly at: Date;
  readonly change: ChangeId;
  /** The versions that got more of the keys by it than they had. */
  readonly gained: readonly string[];
}

/** What is asked for: all the keys, a part of them, or every share by itself. */
export type Wanted =
  | { readonly kind: "all"; readonly version: string }
  | { readonly kind: "part"; readonly version: string; readonly percent: number }
  | { readonly kind: "shares"; readonly shares: readonly PinShare[] };

/** The shares that are wanted, in their order (N2). Faults `bad_input`, `state_forbids`. */
export function sharesFor(current: readonly PinShare[], wanted: Wanted): readonly PinShare[] {
  switch (wanted.kind) {
    case "all":
      return [{ version: wanted.version, share: 100 }];
    case "part":
      return part(current, wanted.version, wanted.percent);
    case "shares":
      return ordered(current, requireShares(wanted.shares));
  }
}

function part(current: readonly PinShare[], version: string, percent: number): readonly PinShare[] {
  if (percent === 100) return [{ version, share: 100 }];
  const others = current.filter((each) => each.version !== version);
  const [other] = others;
  if (other === undefined) {
    throw new Fault(
      "state_forbids",
      `Nothing else is pinned that could serve the other ${100 - percent} %: deploy ${version} to all, or give every share.`,
    );
  }
  if (others.length > 1) {
    throw new Fault(
      "state_forbids",
      `${others.length} other releases are pinned (${sayShares(others)}), and it is not said which serves the rest: give every share.`,
    );
  }
  return ordered(current, [
    { version: other.version, share: 100 - percent },
    { version, share: percent },
  ]);
}

/** N1. Releases with a share of 0 are left out. */
function requireShares(shares: readonly PinShare[]): readonly PinShare[] {
  const named = new Set(shares.map(({ version }) => version));
  if (named.size < shares.length) {
    throw badShares(`a release is named twice: ${sayShares(shares)}`);
  }
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  if (!totals.includes(total)) {
    throw badShares(
      `the shares add up to ${total} (${sayShares(shares)}): they must add up to 100, or to 1,000 or 10,000 for finer steps`,
    );
  }
  return shares.filter(({ share }) => share > 0);
}

function badShares(why: string): Fault {
  return new Fault("bad_input", `Nothing was moved: ${why}.`, { context: { path: "shares" } });
}

/** N2. What is pinned keeps its place; what is new comes after it, as it was given. */
function ordered(current: readonly PinShare[], wanted: readonly PinShare[]): readonly PinShare[] {
  const place = new Map(current.map(({ version }, index) => [version, index]));
  const placeOf = ({ version }: PinShare) => place.get(version) ?? current.length;
  return wanted.toSorted((one, other) => placeOf(one) - placeOf(other));
}

export function isSame(one: readonly PinShare[], other: readonly PinShare[]): boolean {
  return sayShares(one) === sayShares(other);
}

/** The share of all keys, from 0 to 1. */
function partOf(shares: readonly PinShare[], version: string): number {
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  return total === 0 ? 0 : (shares.find((each) => each.version === version)?.share ?? 0) / total;
}

/** The versions that have more of the keys after than before. */
export function gainedBy(
  before: readonly PinShare[],
  after: readonly PinShare[],
): readonly string[] {
  return after
    .map(({ version }) => version)
    .filter((version) => partOf(after, version) > partOf(before, version));
}

/** The release of the pin in force that came last: what a rollback takes away. Newest pin first. */
export function cameLast(history: readonly Pin[]): string | null {
  const [now] = history;
  if (now === undefined) return null;
  const since = now.shares.map(({ version }) => {
    const without = history.findIndex(
      ({ shares }) => !shares.some((each) => each.version === version),
    );
    return { version, pinsAgo: without < 0 ? history.length : without };
  });
  return since.reduce((one, other) => (other.pinsAgo <= one.pinsAgo ? other : one)).version;
}

/**
 * N3. The newest earlier pin without any of `gone`, and without what was rolled back since; null where there
 * is none. `history` is newest first, the pin in force first.
 */
export function backTo(
  history: readonly Pin[],
  gone: readonly string[],
  barred: ReadonlySet<string>,
): Pin | null {
  const found = history
    .slice(1)
    .find(({ shares }) =>
      shares.every(({ version }) => !gone.includes(version) && !barred.has(version)),
    );
  return found ?? null;
}

/** Where a rollback would go, and which release it would take away; null where there is nowhere to go. */
export function rollbackOf(
  history: readonly Pin[],
  barred: ReadonlySet<string>,
): { readonly to: Pin; readonly gone: readonly string[] } | null {
  const last = cameLast(history);
  if (last === null) return null;
  const to = backTo(history, [last], barred);
  if (to === null) return null;
  const stays = new Set(to.shares.map(({ version }) => version));
  const gone = (history[0]?.shares ?? []).map(({ version }) => version);
  return { to, gone: gone.filter((version) => !stays.has(version)) };
}

/** `2.0.3`, or `2.0.2:90 2.0.3:10`. */
export function sayShares(shares: readonly PinShare[]): string {
  const [only] = shares;
  if (only !== undefined && shares.length === 1) return only.version;
  return shares.map(({ version, share }) => `${version}:${share}`).join(" ");
}

/** Two people turned one dial: the second planned on what is no longer so. */
export function requireExpected(pin: Pin | null, expect: number | null, artifact: string): void {
  if (expect === null || expect === (pin?.epoch ?? 0)) return;
  const now =
    pin === null
      ? "it is not pinned"
      : `${pin.by} pinned ${sayShares(pin.shares)} at epoch ${pin.epoch}${pin.because === "" ? "" : ` (${pin.because})`}`;
  throw new Fault(
    "version_conflict",
    `The pin of ${artifact} is not the one that this was planned on (epoch ${expect}): ${now}. Nothing was moved; look again, and repeat it if it is still wanted.`,
    { context: { artifact, expected: expect, epoch: pin?.epoch ?? 0 } },
  );
}
