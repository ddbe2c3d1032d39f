import { type Call, segment } from "../call.ts";
import type { JsonValue } from "./state.ts";

export type ArtifactKind = "spec" | "model" | "prompt" | "image" | "config";

/**
 * What happens to executions that were begun under another release: `finish-old` end under it, `switch` go
 * on under the new pin at their next step, `cancel-retry` are cancelled and retried under the new pin.
 */
export type InFlightPolicy = "finish-old" | "switch" | "cancel-retry";

/** A named thing that is released. */
export interface Artifact {
  readonly name: string;
  readonly kind: ArtifactKind;
  /** Null: none was chosen yet, and nothing of it can be deployed. */
  readonly inFlight: InFlightPolicy | null;
  /** `required`: a release is deployed only when somebody else than its author approved it. */
  readonly review: "required" | "none";
  /** Releases beyond the last so many, and older than so many days, lose their content; null keeps all. */
  readonly keep: { readonly last: number; readonly days: number } | null;
  readonly createdAt: string;
  readonly createdBy: string;
}

export interface ArtifactSettings {
  /** Of a new artifact; an existing one keeps its kind. */
  readonly kind?: ArtifactKind | undefined;
  readonly inFlight?: InFlightPolicy | undefined;
  readonly review?: "required" | "none" | undefined;
  readonly keep?: { readonly last: number; readonly days: number } | null | undefined;
}

export interface Score {
  readonly name: string;
  readonly value: number;
  readonly by: string;
  readonly at: string;
  readonly note: string;
}

export interface ReleaseApproval {
  readonly by: string;
  readonly at: string;
  readonly note: string;
}

/** Why a release may not be deployed: it was rolled back. */
export interface ReleaseBar {
  readonly incident: string | null;
  readonly because: string;
  readonly by: string;
  readonly at: string;
}

/** One version of an artifact. It never changes: only scores, approvals and bars are added. */
export interface Release {
  readonly artifact: string;
  readonly version: string;
  /** SHA-256, in hex, of the RFC 8785 text of `{"content": …}` or `{"reference": "…"}`. */
  readonly digest: string;
  /** What it names instead of holding it, such as an image's digest or a model's name. */
  readonly reference: string | null;
  /** Of its content as RFC 8785 text; 0 for a reference. */
  readonly bytes: number;
  readonly parent: string | null;
  readonly author: string;
  readonly notes: string;
  readonly publishedAt: string;
  /** The last value of each name. */
  readonly scores: readonly Score[];
  readonly approvals: readonly ReleaseApproval[];
  /** Its content is gone; publishing the same content again brings it back. */
  readonly retiredAt: string | null;
  readonly barred: ReleaseBar | null;
}

export interface ReleaseDetails extends Release {
  /** Absent for a reference, and for a release that is retired. */
  readonly content?: JsonValue | undefined;
}

export interface NewRelease {
  /** Explicit, such as `2.0.3`: never `latest` or a range. */
  readonly version: string;
  /** Any JSON value, at most 1 MiB; or a `reference`. */
  readonly content?: JsonValue | undefined;
  readonly reference?: string | undefined;
  /** Where the artifact does not exist yet. */
  readonly kind?: ArtifactKind | undefined;
  /** The version that it was made from. */
  readonly parent?: string | undefined;
  readonly notes?: string | undefined;
  readonly scores?: Readonly<Record<string, number>> | undefined;
}

export interface PublishedRelease extends Release {
  /** It was there already, with the same content. */
  readonly already: boolean;
}

export interface ReleasePage {
  readonly releases: readonly Release[];
  readonly more: boolean;
}

/** A part of the keys of an environment. */
export interface PinShare {
  readonly version: string;
  readonly share: number;
}

/** What an environment runs of an artifact. */
export interface Pin {
  readonly environment: string;
  readonly artifact: string;
  /** Grows with every change of any pin of the environment; this is the change that made this pin. */
  readonly epoch: number;
  /** They add up to 100, 1,000 or 10,000. The release that came last stands last. */
  readonly shares: readonly PinShare[];
  readonly did: "deploy" | "rollback" | "recovery";
  readonly by: string;
  readonly because: string;
  readonly at: string;
  /** Its change in the ledger. */
  readonly change: string;
}

export interface PinStatus extends Pin {
  /** Where a rollback would go; null where there is nothing to go back to. */
  readonly prior: readonly PinShare[] | null;
  /** Who follows this pin: those that acknowledged it, and those that did not. */
  readonly consumers: {
    readonly acknowledged: number;
    readonly stragglers: number;
  };
}

export interface PinPage {
  readonly epoch: number;
  readonly pins: readonly PinStatus[];
  readonly more: boolean;
}

export interface PinDetails extends PinStatus {
  /** At most 1,000; the longest silent first. */
  readonly stragglers: readonly PinConsumer[];
  /** Newest first, at most 100; the pin itself is the first. */
  readonly history: readonly Pin[];
}

/** Somebody who resolves releases of an environment. */
export interface PinConsumer {
  readonly id: string;
  readonly environment: string;
  /** An agent, or a person as `token:<name>`. */
  readonly who: string;
  /** Null: all of the environment. */
  readonly artifacts: readonly string[] | null;
  /** The last epoch that it said it follows. */
  readonly epoch: number;
  readonly seenAt: string;
  /** False: it was not heard of for a minute. */
  readonly live: boolean;
}

export interface Deployment {
  /** All of the keys, or `percent` of them, go to this version; or all shares are given. */
  readonly version?: string | undefined;
  /** 1 to 100; the release that served before keeps the rest. */
  readonly percent?: number | undefined;
  readonly shares?: readonly PinShare[] | undefined;
  readonly because?: string | undefined;
  /** The epoch of the pin that this was planned on, 0 for none: `version_conflict` where it moved. */
  readonly expect?: number | undefined;
  /** Chooses the artifact's policy, where it has none yet. */
  readonly inFlight?: InFlightPolicy | undefined;
  /** Why a release that was rolled back may come again. Operators only. */
  readonly override?: string | undefined;
}

export interface Deployed extends Pin {
  /** It was pinned so already: nothing changed. */
  readonly already: boolean;
}

/** What a consumer asks again and again: it says what it follows, and waits for what is new. */
export interface PinPoll {
  /** The epoch that it follows; 0 for none. This is its acknowledgement. */
  readonly epoch: number;
  /** What came with that epoch: where the database was put back since, everything is told anew. */
  readonly line?: string | undefined;
  /** Absent: all of the environment. At most 1,000. */
  readonly artifacts?: readonly string[] | undefined;
  /** How long to wait for a change. 0 to 60,000; default 0. */
  readonly waitMs?: number | undefined;
}

export interface PinnedRelease extends PinShare {
  readonly digest: string;
  readonly reference: string | null;
  /** Absent for a reference, and for a content over 16 kB: read the release itself. */
  readonly content?: JsonValue | undefined;
}

export interface SnapshotPin {
  readonly artifact: string;
  readonly kind: ArtifactKind;
  /** As it was when the pin moved last. */
  readonly inFlight: InFlightPolicy | null;
  readonly epoch: number;
  readonly releases: readonly PinnedRelease[];
}

export interface PinNews {
  readonly environment: string;
  readonly epoch: number;
  /** Of the epoch: a database that was put back to an earlier time makes the same epoch again with another one. */
  readonly line: string;
  /** True: `pins` are all there are; otherwise those that changed since the epoch that was asked with. */
  readonly full: boolean;
  readonly pins: readonly SnapshotPin[];
}

export interface EnvironmentStatus {
  readonly name: string;
  readonly epoch: number;
  readonly pins: number;
}

export function releasesApi(call: Call) {
  const artifact = (name: string) => `/v1/artifacts/${segment(name)}`;
  const release = (name: string, version: string) =>
    `${artifact(name)}/releases/${segment(version)}`;
  const environment = (name: string) => `/v1/environments/${segment(name)}`;
  const pin = (env: string, name: string) => `${environment(env)}/pins/${segment(name)}`;
  const consumer = (env: string, id: string) => `${environment(env)}/consumers/${segment(id)}`;
  return {
    artifacts: () => call<{ readonly artifacts: readonly Artifact[] }>("GET", "/v1/artifacts"),
    artifact: (name: string) => call<Artifact>("GET", artifact(name)),
    /** Makes it, or changes its settings. */
    declareArtifact: (name: string, settings: ArtifactSettings) =>
      call<Artifact>("PUT", artifact(name), { body: settings }),

    /** The same content under the same version changes nothing; other content is `release_exists`. */
    publishRelease: (name: string, given: NewRelease) =>
      call<PublishedRelease>("POST", `${artifact(name)}/releases`, { body: given }),
    /** Newest first. */
    releasesOf: (name: string, query: { readonly limit?: number } = {}) =>
      call<ReleasePage>("GET", `${artifact(name)}/releases`, { query: { ...query } }),
    release: (name: string, version: string) => call<ReleaseDetails>("GET", release(name, version)),
    scoreRelease: (
      name: string,
      version: string,
      score: { readonly name: string; readonly value: number; readonly note?: string },
    ) => call<Release>("POST", `${release(name, version)}/scores`, { body: score }),
    approveRelease: (name: string, version: string, note = "") =>
      call<Release>("POST", `${release(name, version)}/approve`, { body: { note } }),
    /** A release that was rolled back may be deployed again. */
    liftRelease: (name: string, version: string, because: string) =>
      call<Release>("POST", `${release(name, version)}/lift`, { body: { because } }),
    /** Its content goes. `state_forbids` for one that is pinned, was live, or may be rolled back to. */
    retireRelease: (name: string, version: string, because: string) =>
      call<Release>("POST", `${release(name, version)}/retire`, { body: { because } }),

    environments: () =>
      call<{ readonly environments: readonly EnvironmentStatus[] }>("GET", "/v1/environments"),
    /** By artifact; at most 1,000, those that moved last. */
    pins: (env: string) => call<PinPage>("GET", `${environment(env)}/pins`),
    pin: (env: string, name: string) => call<PinDetails>("GET", pin(env, name)),
    /** `policy_missing`, `review_missing`, `was_rolled_back`, `version_conflict`: nothing moved. */
    deployRelease: (env: string, name: string, deployment: Deployment) =>
      call<Deployed>("POST", pin(env, name), { body: deployment }),
    /**
     * To the last pin before what was deployed last. What goes is barred. `not_healthy` where that is not seen
     * to start, unless `unchecked`.
     */
    rollBackRelease: (
      env: string,
      name: string,
      rollback: {
        readonly because?: string;
        readonly expect?: number;
        readonly unchecked?: boolean;
      } = {},
    ) =>
      call<Deployed>("POST", `${pin(env, name)}/rollback`, { body: rollback, timeoutMs: 30_000 }),

    /** Longest silent first, at most 1,000. */
    pinConsumers: (env: string) =>
      call<{ readonly consumers: readonly PinConsumer[]; readonly more: boolean }>(
        "GET",
        `${environment(env)}/consumers`,
      ),
    pollPins: (env: string, id: string, poll: PinPoll, signal?: AbortSignal) =>
      call<PinNews>("POST", `${consumer(env, id)}/poll`, {
        body: poll,
        timeoutMs: (poll.waitMs ?? 0) + 10_000,
        ...(signal && { signal }),
      }),
    /** It resolves nothing any more, and is nobody's straggler. */
    leavePins: (env: string, id: string) =>
      call<{ readonly left: true }>("POST", `${consumer(env, id)}/leave`),
  };
}
