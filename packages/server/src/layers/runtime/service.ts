/** A service as Lastgood serves it: what every adapter promises, and what is decided from a reading. */
import type { ChangeId } from "../../ids.ts";

/** What runs, read from the world just now. */
export interface Reading {
  /** Null: nothing is served. */
  readonly revision: string | null;
  /** Digest of how it is started; null where an adapter cannot know. */
  readonly settings: string | null;
  /** When the switch to this revision happened, where the adapter knows. */
  readonly since: Date | null;
  readonly state: "serving" | "restarting" | "not-serving";
  readonly pid: number | null;
  readonly restarts: number;
  /** When an instance last ended by itself, where the adapter knows. */
  readonly exitedAt: Date | null;
  /** Instances of other revisions that have not ended yet. */
  readonly retiring: readonly { readonly revision: string; readonly pid: number }[];
  readonly trouble: string | null;
}

export type SetOutcome =
  | {
      readonly outcome: "served";
      /** From when on the revision could act on the world: it migrates before it serves. */
      readonly startedAt: Date;
      readonly since: Date;
    }
  /** The one before still serves. */
  | { readonly outcome: "failed"; readonly because: string; readonly output: string };

/** How one service is read and set. Every wait has an end; every answer is of the world, not of memory. */
export interface RuntimeAdapter {
  readonly service: string;
  readonly kind: "process" | "command";
  /** Digest of how this adapter would start it now; null where it has no say. */
  readonly settings: string | null;
  /** What a switch may cost, in words for a plan. */
  readonly losses: readonly string[];
  readonly gaps: readonly string[];
  read(signal: AbortSignal): Promise<Reading>;
  /** Serves `revision`; what is served already is left alone. */
  set(revision: string, signal: AbortSignal): Promise<SetOutcome>;
  /** Null when healthy, otherwise what is wrong. */
  health(signal: AbortSignal): Promise<string | null>;
  /** Served files that differ from the revision; null where that cannot be seen. */
  drift(revision: string, signal: AbortSignal): Promise<readonly string[] | null>;
  /** The last `bytes` of what its instances wrote; null where there is no log of ours. */
  logs(bytes: number): Promise<string | null>;
  /** Ends everything that serves it. */
  stop(signal: AbortSignal): Promise<void>;
}

/**
 * Whether a service runs, as a signal: not ok for each instance that ended although nobody asked it to,
 * a hard failure; ok every few seconds while it serves and has not exited lately.
 */
export interface Running {
  readonly service: string;
  readonly at: Date;
  readonly ok: boolean;
  readonly says: string;
}

/** Where the Code room says that a branch moved. */
export interface TipSource {
  subscribe(listener: (repository: string, tip: string) => void): () => void;
}

/** The gate before a deploy. Commits oldest first. */
export type MayDeploy = (
  repository: string,
  commits: readonly string[],
) => Promise<DeployPermission>;

export type DeployPermission =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: string; readonly deployable: string | null };

/** What Lastgood remembers of a service: what it recorded as served, and what it must not do. */
export interface ServiceRecord {
  readonly service: string;
  readonly served: string | null;
  readonly servedSince: Date | null;
  readonly changeId: ChangeId | null;
  readonly intent: Intent | null;
  readonly pin: Pin | null;
  readonly failure: DeployFailure | null;
  readonly held: Held | null;
  readonly stoppedAt: Date | null;
}

/** Written before the world is touched, so that a switch is never recorded under another name. */
export interface Intent {
  readonly changeId: ChangeId;
  readonly to: string;
  readonly actor: string;
  readonly reason: string;
}

/**
 * A recovery or a person set this revision, and deploys on push wait. `recovered`: until the recovery is
 * verified, for it went forward, to a revert that later pushes contain. `person`: until somebody deploys
 * the tip, for it went back to what was there before, and the tip still has what was taken back.
 */
export interface Pin {
  readonly by: ChangeId;
  readonly until: "recovered" | "person";
  readonly because: string;
  readonly at: Date;
}

export interface DeployFailure {
  readonly revision: string;
  readonly at: Date;
  readonly attempts: number;
  readonly because: string;
}

export interface Held {
  readonly revision: string;
  readonly because: string;
  readonly at: Date;
}

export type Wanted =
  | { readonly do: "nothing"; readonly because: string }
  /** What was served is started again: no deploy. */
  | { readonly do: "start"; readonly revision: string }
  | { readonly do: "deploy"; readonly revision: string };

const retryMs = { first: 5_000, max: 300_000 } as const;

/** What a service that deploys on push wants now. The gate is asked afterwards. */
export function wanted(
  record: ServiceRecord,
  reading: Reading,
  { tip, settings }: { readonly tip: string | null; readonly settings: string | null },
): Wanted {
  if (record.stoppedAt !== null) return { do: "nothing", because: "it was stopped" };
  if (reading.revision === null && record.served !== null) {
    return { do: "start", revision: record.served };
  }
  if (record.pin !== null) return { do: "nothing", because: record.pin.because };
  if (tip === null) return { do: "nothing", because: "its branch has no commits" };
  const current = tip === reading.revision;
  const sameSettings = settings === null || settings === reading.settings;
  if (current && sameSettings) return { do: "nothing", because: "it serves the tip" };
  return { do: "deploy", revision: tip };
}

/** True while it is too early to try again a revision that failed. */
export function isBackingOff({ failure }: ServiceRecord, revision: string, now: Date): boolean {
  return failure?.revision === revision && now < retryAt(failure);
}

/** A deploy that failed is tried again later and later, at least every five minutes. */
export function retryAt({ at, attempts }: DeployFailure): Date {
  const delayMs = Math.min(retryMs.max, retryMs.first * 2 ** Math.min(attempts - 1, 10));
  return new Date(at.getTime() + delayMs);
}
