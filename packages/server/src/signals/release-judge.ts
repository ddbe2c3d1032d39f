/**
 * Watches candidates: samples of releases in, verdicts about them out.
 *
 *     take ──> memory (what floors are measured from)
 *       └────> trial of the candidate ──> settle ──> verdict ──> listeners
 *                    └──> news ──> PostgreSQL
 *
 *   J1. Judging is synchronous and in memory: it goes on while PostgreSQL is away.
 *   J2. A verdict is told when its kind, its signal or its segment changes.
 */
import type { World } from "../world.ts";
import { askControl, type ControlSource } from "./ask-control.ts";
import type { EvidenceWriter } from "./evidence-writer.ts";
import { leastToStandOut } from "./fleet-evidence.ts";
import { createNews } from "./judge-news.ts";
import type { ReleaseMemory } from "./release-memory.ts";
import { nextPoint, pointsOf } from "./release-points.ts";
import { loudestOf, stancesOf, stateOfTrial, toVerdict, verdictOfTrial } from "./release-saying.ts";
import { type Outlook, type Stance, strengthOf } from "./release-stance.ts";
import type { JudgeNews, SavedTrial } from "./release-store.ts";
import { type FloorFor, linesIn, type Took, type Trial, takeInto } from "./release-trial.ts";
import { type ReleaseVerdict, ruleOfReleases, type Watched } from "./release-verdict.ts";
import type { Sample } from "./sample.ts";
import { windowSamplesMin } from "./sustain.ts";
import { createWatchedTrials, type WatchedTrial } from "./watched-trials.ts";

/** The version of an artifact that is watched in an environment. */
export type JudgedRelease = Pick<Watched, "environment" | "artifact" | "candidate">;

/** What the rest of the house may ask. */
export interface ReleaseJudge {
  /** Again with the same words changes nothing; with others the comparison begins anew. */
  watch(watched: Watched): void;
  unwatch(environment: string, artifact: string): void;
  /** Null: this release is not watched there. */
  verdictOf(release: JudgedRelease): ReleaseVerdict | null;
  /** Called on every change; returns how to stop. */
  onVerdict(listener: (told: ToldVerdict) => void): () => void;
}

export interface ToldVerdict {
  readonly environment: string;
  readonly artifact: string;
  readonly verdict: ReleaseVerdict;
}

/** How the signals room itself runs it. */
export interface RunningReleaseJudge extends ReleaseJudge {
  /** As of a rule, by the name that verdicts about releases stand under; null: nothing is watched under it. */
  stateOf(rule: string, dimension: string | null): "well" | "bad" | "unknown" | null;
  take(sample: Sample): Took;
  /** Whether `take` would judge it, as far as its label and signal tell. */
  judges(sample: Sample): boolean;
  /** Says what is new since the last time: after each batch. */
  settle(): void;
  /** What does not come with samples: silences, and copies that have to be asked for. */
  turn(): Promise<void>;
  /** Goes on from what another run of the server stored, and from nothing else. */
  restore(saved: readonly SavedTrial[]): void;
  /** What is to be written; hand it back with `keepNews` when it could not be. */
  takeNews(withTrials: boolean): JudgeNews;
  keepNews(news: JudgeNews): void;
  trials(): readonly Judged[];
}

export interface Judged {
  readonly trial: Trial;
  readonly verdict: ReleaseVerdict | null;
  readonly stances: readonly Stance[];
  readonly isConfirmed: boolean;
}

export interface ReleaseJudgeDeps {
  readonly world: World;
  readonly memory: ReleaseMemory;
  readonly writer: Pick<EvidenceWriter, "point">;
  /** Where a sample's release serves that does not say it. */
  environment(): string;
  /** A change older than this is not what made it worse. */
  freshForMs(): number;
  /** Null: nobody sends copies of requests. */
  readonly controls: ControlSource | null;
}

export function createReleaseJudge(deps: ReleaseJudgeDeps): RunningReleaseJudge {
  const { world, memory, writer, controls } = deps;
  const listeners = new Set<(told: ToldVerdict) => void>();
  /** By rule: the candidate that was last said to be bad. */
  const badAtLast = new Map<string, string>();
  const news = createNews();
  const now = () => world.now().getTime();

  /** The objective, or what the release before did at last. */
  function floorsFor(watched: Watched): FloorFor {
    return (guardrail, dimension) => {
      const { environment, artifact, candidate, prior } = watched;
      const { objective = null, signal } = guardrail;
      const isOfAll = objective !== null && dimension === null;
      const floor = isOfAll
        ? { m: objective, origin: { kind: "objective" } as const, of: null, at: now() }
        : memory.floorOf(environment, { artifact, version: prior }, guardrail, dimension, now());
      if (floor !== null) {
        news.floor({ environment, artifact, version: candidate, signal, dimension, floor });
      }
      return floor;
    };
  }

  const watched = createWatchedTrials({ now, floorsFor });

  /** In vain, the copies end by themselves when their time is over. */
  function endAsking({ watched: { environment, artifact }, askedAt }: Trial): void {
    if (askedAt !== null) void controls?.end(environment, artifact).catch(() => {});
  }

  function take(sample: Sample): Took {
    const { release, environment = null } = sample;
    if (release == null) return "unjudged";
    const where = environment ?? deps.environment();
    memory.keep(where, release, sample);
    const place = watched.placeOf(where, release);
    if (place === null) return "unjudged";
    const { entry, arm } = place;
    entry.isTouched = true;
    entry.isDirty = true;
    return takeInto(entry.trial, arm, sample, floorsFor(entry.trial.watched));
  }

  /** The least evidence that stands out among all that is compared anywhere. */
  function leastOfFleet(): number {
    const compared = [...watched.all()].flatMap(({ trial }) =>
      trial.watched.control === null && trial.askedAt === null
        ? []
        : linesIn(trial).filter(({ line }) => line.pair.samples >= windowSamplesMin),
    );
    return leastToStandOut(compared.map(({ line, guardrail }) => strengthOf(line, guardrail)));
  }

  function outlook(): Outlook {
    let least: number | null = null;
    return {
      now: now(),
      freshForMs: deps.freshForMs(),
      leastOfFleet() {
        least ??= leastOfFleet();
        return least;
      },
    };
  }

  function settleOne(entry: WatchedTrial, seen: Outlook): void {
    const { trial } = entry;
    const stance = loudestOf(trial, seen);
    if (stance === null) return;
    const verdict = toVerdict(trial, stance);
    if (verdict.kind === "regression" && verdict.control !== null) {
      stance.placed.line.convictedAt ??= seen.now;
    }
    const { environment, artifact, candidate } = trial.watched;
    const saying = [verdict.kind, verdict.signal, verdict.dimension, verdict.needsControl].join(
      "\n",
    );
    const isNews = saying !== entry.said;
    const next = nextPoint(trial, entry.pointAt);
    // Also where something else is said than before: the point that decided belongs to the record. Before the first
    // sample there is none.
    if (trial.lastAt > 0 && (next !== null || isNews)) {
      entry.pointAt = next ?? entry.pointAt;
      for (const point of pointsOf(trial, stancesOf(trial, seen))) writer.point(point);
    }
    if (!isNews) return;
    entry.said = saying;
    if (verdict.kind === "regression" || verdict.kind === "drift") {
      badAtLast.set(ruleOfReleases(trial.watched), candidate);
    }
    entry.isDirty = true;
    news.verdict({ environment, artifact, version: candidate, at: world.now(), verdict });
    for (const listener of listeners) listener({ environment, artifact, verdict });
  }

  return {
    watch(one) {
      const over = watched.watch(one);
      if (over !== null) endAsking(over);
    },
    unwatch(environment, artifact) {
      const over = watched.unwatch({ environment, artifact });
      if (over === null) return;
      badAtLast.delete(ruleOfReleases(over.watched));
      news.ended({ environment, artifact });
      endAsking(over);
    },
    verdictOf(release) {
      const trial = watched.on(release)?.trial;
      const isIts = trial?.watched.candidate === release.candidate;
      return trial === undefined || !isIts ? null : verdictOfTrial(trial, outlook());
    },
    stateOf(rule, dimension) {
      const trial = watched.underRule(rule)?.trial;
      if (trial === undefined) return null;
      // What was bad, and serves no more, is over: the release that serves now does not answer for it.
      const of = badAtLast.get(rule) ?? trial.watched.candidate;
      const its = [trial, trial.aside?.trial].find((each) => each?.watched.candidate === of);
      return its === undefined ? null : stateOfTrial(its, dimension, outlook());
    },
    onVerdict(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    take,
    judges({ release, environment, signal, hard }) {
      const place = watched.placeOf(environment ?? deps.environment(), release ?? "");
      return place !== null && hard === null && signal in place.entry.trial.lines;
    },
    settle() {
      let seen: Outlook | null = null;
      for (const entry of watched.all()) {
        if (!entry.isTouched) continue;
        entry.isTouched = false;
        seen ??= outlook();
        settleOne(entry, seen);
      }
    },
    async turn() {
      for (const { environment, artifact } of watched.dropUnconfirmed()) {
        news.ended({ environment, artifact });
      }
      const seen = outlook();
      for (const entry of watched.all()) {
        settleOne(entry, seen);
        const verdict = verdictOfTrial(entry.trial, seen);
        // What an earlier run watched asks for nothing before it is watched again.
        if (verdict === null || entry.restoredAt !== null) continue;
        const asked = await askControl(controls, entry.trial, verdict, now);
        entry.isDirty ||= asked;
        // It was unwatched meanwhile, and had nothing yet that could be ended.
        if (watched.on(entry.trial.watched) !== entry) endAsking(entry.trial);
      }
    },
    restore: (saved) => watched.restore(saved),
    takeNews(withTrials) {
      const changed = withTrials ? [...watched.all()].filter(({ isDirty }) => isDirty) : [];
      for (const entry of changed) entry.isDirty = false;
      return news.take(
        changed.map(({ trial, fingerprint }) => {
          const { environment, artifact } = trial.watched;
          return { environment, artifact, fingerprint, trial };
        }),
      );
    },
    keepNews(kept) {
      for (const saved of kept.trials) {
        const entry = watched.on(saved);
        if (entry !== null) entry.isDirty = true;
      }
      news.keep(kept);
    },
    trials() {
      const seen = outlook();
      return [...watched.all()].map(({ trial, restoredAt }) => ({
        ...{ trial, verdict: verdictOfTrial(trial, seen), stances: stancesOf(trial, seen) },
        isConfirmed: restoredAt === null,
      }));
    },
  };
}
