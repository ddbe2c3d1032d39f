/** What Lastgood and a keeper say to each other. Plain JSON over loopback HTTP, under a secret. */

/** Serve this revision from this directory, in this way. */
export interface ServeOrder {
  readonly revision: string;
  readonly directory: string;
  readonly start: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly host: string;
  readonly port: number;
  readonly health: string;
  readonly readyMs: number;
  readonly drainMs: number;
  /** A digest of how it is started: another one means a new instance for the same revision. */
  readonly settings: string;
}

export type ServeResult =
  | {
      readonly outcome: "served";
      /** When the new instance was started: from then on it could act on the world. */
      readonly startedAt: string;
      /** When requests began to go to it. */
      readonly since: string;
      readonly already: boolean;
    }
  /** Whatever served before still does. */
  | { readonly outcome: "unhealthy"; readonly because: string; readonly output: string };

export interface InstanceExit {
  /** Counts up from 1 for as long as this keeper lives. */
  readonly sequence: number;
  readonly at: string;
  readonly revision: string;
  readonly code: number | null;
  readonly signal: string | null;
  /** The last of what it wrote, at most 2 kB. */
  readonly output: string;
}

export interface KeeperStatus {
  readonly pid: number;
  readonly host: string | null;
  readonly port: number | null;
  readonly serving: {
    readonly revision: string;
    readonly directory: string;
    readonly settings: string;
    readonly startedAt: string;
    /** When the front was switched to this revision, ISO 8601. */
    readonly since: string;
    /** Null while it is being restarted after it exited. */
    readonly pid: number | null;
    readonly restarts: number;
  } | null;
  /** Instances that no longer get requests and have not ended yet. */
  readonly retiring: readonly {
    readonly revision: string;
    readonly pid: number;
    readonly directory: string;
  }[];
  /** The last 20. */
  readonly exits: readonly InstanceExit[];
  /** What the keeper itself could not do, in its own words: a full disk, for one. */
  readonly trouble: string | null;
}

/** How a keeper is found again: written by the keeper itself, once it listens. */
export interface KeeperRecord {
  readonly pid: number;
  readonly startedAt: string;
  readonly controlPort: number;
}

export const recordFile = "keeper.json";
export const secretFile = "secret";
export const instancesFile = "instances.json";
export const outputBytesMax = 16_384;
