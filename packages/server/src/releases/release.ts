/**
 * Artifacts and their releases. A release is immutable: its version means the same content for ever.
 *
 *   L1. A version is explicit: `latest`, ranges and nothing at all are refused.
 *   L2. One version, one digest. Publishing the same again is the same release.
 *   L3. What is added later (scores, approvals, bars) stands beside the release, not in it.
 */
import { createHash } from "node:crypto";
import type { ArtifactKind, InFlightPolicy } from "@lastgood/sdk";
import { whyNoVersion } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { canonical, type Json } from "../json/canonical.ts";

export const artifactKinds = ["spec", "model", "prompt", "image", "config"] as const;
export const inFlightPolicies = ["finish-old", "switch", "cancel-retry"] as const;
export const contentBytesMax = 1_048_576;
/** What is handed out with the pins themselves. A larger content is read by itself. */
export const inlineBytesMax = 16_384;

export interface Keep {
  readonly last: number;
  readonly days: number;
}

export interface Artifact {
  readonly name: string;
  readonly kind: ArtifactKind;
  readonly inFlight: InFlightPolicy | null;
  readonly review: boolean;
  readonly keep: Keep | null;
  readonly createdAt: Date;
  readonly createdBy: string;
}

/** What a release holds: a JSON value as RFC 8785 text, or the name of something elsewhere. */
export type Body =
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "reference"; readonly reference: string };

export interface Score {
  readonly name: string;
  readonly value: number;
  readonly by: string;
  readonly at: Date;
  readonly note: string;
}

export interface Approval {
  readonly by: string;
  readonly at: Date;
  readonly note: string;
}

export interface Bar {
  readonly incident: string | null;
  readonly because: string;
  readonly by: string;
  readonly at: Date;
}

export interface Release {
  readonly artifact: string;
  readonly version: string;
  readonly digest: string;
  readonly reference: string | null;
  readonly bytes: number;
  readonly parent: string | null;
  readonly author: string;
  readonly notes: string;
  readonly publishedAt: Date;
  /** The last of each name. */
  readonly scores: readonly Score[];
  readonly approvals: readonly Approval[];
  readonly retiredAt: Date | null;
  /** The newest bar in force. */
  readonly barred: Bar | null;
}

/** Faults `bad_input` (both, neither, not plain JSON) and `too_large`. */
export function bodyOf(given: {
  readonly content?: unknown;
  readonly reference?: string | undefined;
}): Body {
  const hasContent = given.content !== undefined;
  if (hasContent === (given.reference !== undefined)) {
    const what = hasContent
      ? "both a content and a reference"
      : "neither a content nor a reference";
    throw new Fault("bad_input", `The release has ${what}: give one of them.`, {
      context: { path: "content" },
    });
  }
  if (given.reference !== undefined) return { kind: "reference", reference: given.reference };
  const text = canonical(given.content);
  const size = Buffer.byteLength(text);
  if (size <= contentBytesMax) return { kind: "content", text };
  throw new Fault(
    "too_large",
    `The content has ${size} bytes of JSON, and ${contentBytesMax} are kept: keep it elsewhere, and publish a reference to it.`,
    { context: { path: "content", size } },
  );
}

/** The gateway reads a model with its pin, and nothing else while it serves. Faults `bad_input`. */
export function requireServable(kind: ArtifactKind, body: Body): void {
  if (kind !== "model" || body.kind === "reference") return;
  const size = Buffer.byteLength(body.text);
  if (size <= inlineBytesMax) return;
  throw new Fault(
    "bad_input",
    `The content has ${size} bytes of JSON, and that of a model may have ${inlineBytesMax}: the gateway could not serve it. Leave out what is no endpoint, model or parameter, or publish what is long as a release of another kind (prompt, config).`,
    { context: { path: "content", size } },
  );
}

export function digestOf(body: Body): string {
  const text =
    body.kind === "content" ? `{"content":${body.text}}` : canonical({ reference: body.reference });
  return createHash("sha256").update(text).digest("hex");
}

/** L1. */
export function requireVersion(version: string, path = "version"): string {
  const why = whyNoVersion(version);
  if (why === null) return version;
  throw new Fault("bad_input", `${why.charAt(0).toUpperCase()}${why.slice(1)}.`, {
    context: { path },
  });
}

/** L2. */
export function requireSame(release: Release, digest: string): void {
  if (release.digest === digest) return;
  throw new Fault(
    "release_exists",
    `${nameOf(release)} was published by ${release.author} at ${release.publishedAt.toISOString()} with other content (sha256 ${release.digest.slice(0, 12)}, this is ${digest.slice(0, 12)}): a release never changes; publish this under another version.`,
    { context: { artifact: release.artifact, version: release.version, digest: release.digest } },
  );
}

/** Whether somebody else than its author approved it. */
export function isReviewed({ author, approvals }: Pick<Release, "author" | "approvals">): boolean {
  return approvals.some(({ by }) => by !== author);
}

export function requireNotBarred({ artifact, version, barred }: Release): void {
  if (barred === null) return;
  const where = barred.incident === null ? "" : ` in ${barred.incident}`;
  throw new Fault(
    "was_rolled_back",
    `${artifact}:${version} was rolled back${where} at ${barred.at.toISOString()} by ${barred.by} (${barred.because}): deploy another version, or lift it with \`lastgood releases lift ${artifact}:${version} --because …\`.`,
    { context: { artifact, version, incident: barred.incident } },
  );
}

export function requireReviewed(release: Release): void {
  if (isReviewed(release)) return;
  throw new Fault(
    "review_missing",
    `${nameOf(release)} is by ${release.author}, and nobody else approved it: somebody else runs \`lastgood releases approve ${nameOf(release)}\`.`,
    { context: { artifact: release.artifact, version: release.version, author: release.author } },
  );
}

export function requireKept(release: Release): void {
  if (release.retiredAt === null) return;
  throw new Fault(
    "state_forbids",
    `${nameOf(release)} was retired at ${release.retiredAt.toISOString()}, and its content is gone: publish the same content again under this version, and it is back.`,
    { context: { artifact: release.artifact, version: release.version } },
  );
}

/** `customer-service:2.0.3`. */
export function nameOf({ artifact, version }: Pick<Release, "artifact" | "version">): string {
  return `${artifact}:${version}`;
}

/** A content as it is handed out. */
export function parseBody(text: string): Json {
  return JSON.parse(text) as Json;
}
