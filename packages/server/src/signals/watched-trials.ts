/**
 * Which trial is under way on which dial, and whose a sample is. In memory; what is said of a trial is elsewhere.
 *
 *   W1. One trial for each dial. Watched again with the same words it goes on; with others, what is known of the release
 *       already goes on, and a release that comes to the dial begins anew.
 *   W2. What an earlier run of the server compared goes on when it is watched again with the same words; what nobody
 *       watches again within a minute is over.
 */
import type { Arm } from "./paired.ts";
import type { PointAt } from "./release-points.ts";
import type { SavedTrial } from "./release-store.ts";
import {
  armOf,
  besideWhatServed,
  type FloorFor,
  goOnAlone,
  newTrial,
  resumed,
  type Trial,
} from "./release-trial.ts";
import { ruleOfReleases, type Watched } from "./release-verdict.ts";

export type WatchedDial = Pick<Watched, "environment" | "artifact">;

export interface WatchedTrial {
  readonly trial: Trial;
  readonly fingerprint: string;
  /** What was said of it last: kind, signal, segment. */
  said: string;
  /** Samples came that nothing was said of yet. */
  isTouched: boolean;
  /** Not written since it changed. */
  isDirty: boolean;
  /** W2. Null: it was watched by this run of the server. */
  restoredAt: number | null;
  pointAt: PointAt;
}

export interface Place {
  readonly entry: WatchedTrial;
  readonly arm: Arm;
}

export interface WatchedTrials {
  /** Returns the trial that is over with it; null: none is. */
  watch(watched: Watched): Trial | null;
  /** Returns what is over with it; null: nothing was watched there. */
  unwatch(dial: WatchedDial): Trial | null;
  on(dial: WatchedDial): WatchedTrial | null;
  /** By the name that verdicts about releases stand under. */
  underRule(rule: string): WatchedTrial | null;
  /** Whose sample it is, by its label. */
  placeOf(environment: string, release: string): Place | null;
  /** As they are while it is gone through: what is unwatched meanwhile is passed over. */
  all(): IteratorObject<WatchedTrial>;
  /** Goes on from these, and from nothing else. */
  restore(saved: readonly SavedTrial[]): void;
  /** W2. Returns what is over. */
  dropUnconfirmed(): readonly WatchedDial[];
}

export interface WatchedTrialsDeps {
  now(): number;
  floorsFor(watched: Watched): FloorFor;
}

const confirmWithinMs = 60_000;

export function createWatchedTrials({ now, floorsFor }: WatchedTrialsDeps): WatchedTrials {
  const entries = new Map<string, WatchedTrial>();
  /** By environment, and then by label. */
  let places = new Map<string, Map<string, Place>>();

  function index(): void {
    places = new Map();
    for (const entry of entries.values()) {
      const { environment, artifact, candidate, prior } = entry.trial.watched;
      for (const version of [candidate, prior]) {
        const arm = armOf(entry.trial, version);
        if (arm === null) continue;
        const ofEnvironment = places.get(environment) ?? new Map<string, Place>();
        places.set(environment, ofEnvironment.set(`${artifact}:${version}`, { entry, arm }));
      }
    }
  }

  function remove(dial: WatchedDial): Trial | null {
    const entry = entries.get(keyOf(dial));
    if (entry === undefined) return null;
    entries.delete(keyOf(dial));
    index();
    return entry.trial;
  }

  return {
    watch(watched) {
      const fingerprint = fingerprintOf(watched);
      const before = entries.get(keyOf(watched));
      if (before?.fingerprint === fingerprint) {
        before.restoredAt = null;
        return null;
      }
      const trial = trialFor(watched, before?.trial ?? null, floorsFor(watched), now());
      entries.set(keyOf(watched), entryOf(trial, fingerprint, null));
      index();
      return before?.trial ?? null;
    },
    unwatch: remove,
    on: (dial) => entries.get(keyOf(dial)) ?? null,
    underRule: (rule) =>
      [...entries.values()].find(({ trial }) => ruleOfReleases(trial.watched) === rule) ?? null,
    placeOf: (environment, release) => places.get(environment)?.get(release) ?? null,
    all: () => entries.values(),
    restore(saved) {
      entries.clear();
      for (const { environment, artifact, fingerprint, trial } of saved) {
        // Written in another form by another version of the program: it begins anew.
        if (fingerprintOf(trial.watched) !== fingerprint) continue;
        entries.set(keyOf({ environment, artifact }), entryOf(trial, fingerprint, now()));
      }
      index();
    },
    dropUnconfirmed() {
      const isOver = ({ restoredAt }: WatchedTrial) =>
        restoredAt !== null && now() - restoredAt > confirmWithinMs;
      const over = [...entries.values()].filter(isOver).map(({ trial }) => trial.watched);
      for (const dial of over) remove(dial);
      return over;
    },
  };
}

/** W1. */
function trialFor(watched: Watched, before: Trial | null, floorFor: FloorFor, now: number): Trial {
  if (before === null) return newTrial(watched, floorFor, now);
  const isWanted = (known: Watched) => fingerprintOf(known) === fingerprintOf(watched);
  const { aside } = before;
  if (aside !== null && isWanted(aside.trial.watched)) return resumed(aside, now);
  for (const known of aside === null ? [before] : [aside.trial, before]) {
    const alone = { ...known.watched, control: null };
    if (isWanted(alone)) return goOnAlone(known, watched, floorFor, now);
  }
  return besideWhatServed(newTrial(watched, floorFor, now), before, now);
}

function entryOf(trial: Trial, fingerprint: string, restoredAt: number | null): WatchedTrial {
  return {
    ...{ trial, fingerprint, said: "", isTouched: false, isDirty: true, restoredAt },
    pointAt: { samples: 0, at: 0 },
  };
}

function keyOf({ environment, artifact }: WatchedDial): string {
  return `${environment}/${artifact}`;
}

/** W1. The form of the state is part of it. */
function fingerprintOf(watched: Watched): string {
  const { environment, artifact, candidate, prior, control, guardrails } = watched;
  const held = guardrails.map(
    ({ signal, good, delta, objective, sustainMs, minSamples, dimensions }) => [
      ...[signal, good?.atMost ?? null, good?.atLeast ?? null, delta, objective ?? null],
      ...[sustainMs, minSamples, dimensions],
    ],
  );
  return JSON.stringify([5, environment, artifact, candidate, prior, control, held]);
}
