/** Where the gateway learns what is pinned: of this server's snapshots, or as any consumer of pins does. */
import { chosen, type InFlightPolicy, type Releases, type SnapshotPin } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Snapshot, Snapshots } from "../releases/snapshot.ts";
import type { Released } from "./model-release.ts";

/** Reads memory, and nothing else. */
export interface PinSource {
  readonly environment: string;
  /** The release that a key gets. Faults `not_found`. */
  resolve(artifact: string, key: string): PinnedModel;
  /** What is resolved may have been rolled back since. */
  isStale(): boolean;
  epoch(): number;
  /** Called with the artifacts whose pins moved. */
  onMove(listener: (artifacts: readonly string[]) => void): () => void;
}

export interface PinnedModel extends Released {
  readonly inFlight: InFlightPolicy | null;
}

/** In this server: what was read last goes on being resolved while PostgreSQL is away. */
export async function pinsOfSnapshots(
  snapshots: Snapshots,
  environment: string,
): Promise<PinSource & { stop(): void }> {
  const leave = snapshots.follow(environment);
  let now: Snapshot = await snapshots.current(environment).catch((error: unknown) => {
    leave();
    throw error;
  });
  const listeners = new Set<(artifacts: readonly string[]) => void>();
  const off = snapshots.onChange((snapshot) => {
    if (snapshot.environment !== environment) return;
    const moved = movedBetween(now, snapshot);
    now = snapshot;
    for (const listener of [...listeners]) listener(moved);
  });
  return {
    environment,
    stop() {
      off();
      leave();
    },
    isStale: () => snapshots.isStale(),
    epoch: () => now.epoch,
    resolve: (artifact, key) => chosenIn(environment, now.pins.get(artifact), artifact, key),
    onMove(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Of a server elsewhere. */
export function pinsOfReleases(releases: Releases): PinSource {
  const { environment } = releases;
  return {
    environment,
    isStale: () => releases.stale,
    epoch: () => releases.epoch,
    resolve: (artifact, key) => releases.resolve(artifact, key),
    onMove: (listener) => releases.onChange(listener),
  };
}

function chosenIn(
  environment: string,
  pin: SnapshotPin | undefined,
  artifact: string,
  key: string,
): PinnedModel {
  const release = pin?.releases[chosen(pin.releases, artifact, key)];
  if (pin === undefined || release === undefined) {
    throw new Fault(
      "not_found",
      `${artifact.slice(0, 100)} is not pinned in ${environment}: the model of a request is the name of an artifact; see \`lastgood pins list\`, or deploy it.`,
      { context: { environment, artifact } },
    );
  }
  const { kind, epoch, inFlight } = pin;
  const { version, content } = release;
  return { environment, artifact, kind, version, epoch, inFlight, content };
}

function movedBetween(before: Snapshot, after: Snapshot): readonly string[] {
  const names = new Set([...before.pins.keys(), ...after.pins.keys()]);
  return [...names].filter((name) => before.pins.get(name)?.epoch !== after.pins.get(name)?.epoch);
}
