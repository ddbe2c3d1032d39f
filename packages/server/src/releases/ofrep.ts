/**
 * Pins as feature flags, for the OpenFeature Remote Evaluation Protocol. Pure.
 *
 * A flag is an artifact; its value is the version that the targeting key gets. `<artifact>:content` is a flag
 * as well: its value is that release's content.
 */
import { createHash } from "node:crypto";
import { chosen, type JsonValue, type PinnedRelease, type SnapshotPin } from "@lastgood/sdk";
import { canonical } from "../json/canonical.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Success {
  readonly key: string;
  readonly value: JsonValue;
  readonly variant: string;
  readonly reason: "STATIC" | "SPLIT";
  readonly metadata: Readonly<Record<string, string | number>>;
}

export interface Failure {
  readonly key: string;
  readonly errorCode: "FLAG_NOT_FOUND" | "TARGETING_KEY_MISSING" | "GENERAL";
  readonly errorDetails: string;
}

export type Evaluation = Success | Failure;

const contentSuffix = ":content";

export function isFailure(evaluation: Evaluation): evaluation is Failure {
  return "errorCode" in evaluation;
}

/** `targetingKey` is null where the context has none. */
export function evaluate(
  { environment, pins }: Snapshot,
  key: string,
  targetingKey: string | null,
): Evaluation {
  const wantsContent = key.endsWith(contentSuffix);
  const pin = pins.get(wantsContent ? key.slice(0, -contentSuffix.length) : key);
  if (pin === undefined) {
    const errorDetails = `Nothing is pinned in ${environment} under ${key.slice(0, 100)}.`;
    return { key, errorCode: "FLAG_NOT_FOUND", errorDetails };
  }
  const release = releaseFor(pin, targetingKey);
  if (release === null) {
    const errorDetails = `${pin.artifact} is split between ${pin.releases.length} releases: give a targetingKey.`;
    return { key, errorCode: "TARGETING_KEY_MISSING", errorDetails };
  }
  if (wantsContent && release.content === undefined) {
    const errorDetails = `${pin.artifact}:${release.version} has no content that is handed out here: read the release.`;
    return { key, errorCode: "GENERAL", errorDetails };
  }
  return success(environment, key, pin, release, wantsContent ? release.content : release.version);
}

function success(
  environment: string,
  key: string,
  pin: SnapshotPin,
  { version, digest, reference }: PinnedRelease,
  value: JsonValue | undefined,
): Success {
  return {
    ...{ key, value: value ?? null, variant: version },
    reason: pin.releases.length === 1 ? "STATIC" : "SPLIT",
    metadata: {
      ...{ environment, version, digest, epoch: pin.epoch, kind: pin.kind },
      ...(reference === null ? {} : { reference }),
    },
  };
}

function releaseFor(
  { artifact, releases }: SnapshotPin,
  targetingKey: string | null,
): PinnedRelease | null {
  const [only] = releases;
  if (releases.length === 1) return only ?? null;
  if (targetingKey === null) return null;
  return releases[chosen(releases, artifact, targetingKey)] ?? null;
}

/** Every artifact, by name. */
export function evaluateAll(
  snapshot: Snapshot,
  targetingKey: string | null,
): readonly Evaluation[] {
  return [...snapshot.pins.keys()].sort().map((key) => evaluate(snapshot, key, targetingKey));
}

/** Over the flags alone: what else the answer says does not make them other flags. */
export function etagOf(flags: readonly Evaluation[]): string {
  return `"${createHash("sha256").update(canonical(flags)).digest("hex").slice(0, 32)}"`;
}

/** Whether one of the validators that `If-None-Match` lists is `etag`. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const listed = ifNoneMatch.split(",").map((each) => each.trim().replace(/^W\//, ""));
  return listed.includes(etag) || listed.includes("*");
}
