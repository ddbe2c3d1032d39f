/**
 * Samples come in, rules judge them, verdicts go out.
 *
 *     ingest ──> history (for capture and baselines)
 *        └────> rules of that signal ──> verdict desk ──> listeners
 *                     └──> evidence writer ──> PostgreSQL
 *
 *   R1. Judging is synchronous and in memory: it goes on while PostgreSQL is away.
 *   R2. Time is the samples' own. Evidence does not outlive a gap in them: after a silence it starts anew.
 *   R3. A signal that is silent is `insufficient`: missing data never triggers, and never says all is well.
 */
import type { Config } from "../config/config.ts";
import type { World } from "../world.ts";
import type { EvidenceWriter } from "./evidence-writer.ts";
import { quantile, valuesBetween } from "./history.ts";
import { spacingMs } from "./measured-rate.ts";
import type { Took } from "./release-trial.ts";
import { hardRuleFor, type Rule, rulesOf } from "./rule.ts";
import {
  type DimensionJudgement,
  judge,
  judgedScore,
  judgementsOf,
  kindsOf,
  newRuleState,
  type RuleState,
  remeasure,
  restart,
} from "./rule-judge.ts";
import type { Sample } from "./sample.ts";
import { shownEvidence } from "./saying.ts";
import type { SignalMemory } from "./signal-memory.ts";
import type { SavedState } from "./signals-store.ts";
import type { VerdictDesk } from "./verdict-desk.ts";

/** A rule at work. */
export interface Watch {
  readonly rule: Rule;
  readonly state: RuleState;
}

export interface RuleEngineDeps {
  readonly world: World;
  readonly writer: EvidenceWriter;
  readonly memory: SignalMemory;
  readonly desk: () => VerdictDesk;
  /** Takes in what carries the label of a release. */
  readonly releases?: { take(sample: Sample): Took };
}

export interface Counts {
  samples: number;
  unjudged: number;
  late: number;
  untracked: number;
}

const none: readonly Watch[] = [];
const foundMax = 200;
const lateAfterMs = 300_000;
const pointEverySamples = 20;
const pointEveryMs = 1_000;
const statesPerSave = 100;
const silentAfterMs = 60_000;
const hardSilentAfterMs = 600_000;

export type RuleEngine = ReturnType<typeof createRuleEngine>;

export function createRuleEngine({ world, writer, memory, desk, releases }: RuleEngineDeps) {
  const watches = new Map<string, Watch>();
  /** By service and signal. */
  let bySignal = new Map<string, Map<string, Watch[]>>();
  let saved = new Map<string, SavedState>();
  const dirty = new Set<string>();
  /** Rules that an exit or a violation called for, by name. */
  const found = new Set<string>();
  const points = new Map<string, { samples: number; at: number }>();
  const judged = new Set<(watch: Watch) => void>();
  const counts: Counts = { samples: 0, unjudged: 0, late: 0, untracked: 0 };
  let config: Config | null = null;

  /** Puts the rules of this configuration in force; what a kept rule remembers stays. */
  function configure(next: Config): void {
    if (next === config) return;
    config = next;
    const rules = rulesOf(next);
    const kept = new Map(watches);
    watches.clear();
    for (const rule of rules.values()) watches.set(rule.name, watchOf(rule, kept));
    for (const name of found) {
      const watch = kept.get(name);
      const stays = watch !== undefined && watch.rule.service in next.services;
      if (stays && !watches.has(name)) watches.set(name, watch);
      else found.delete(name);
    }
    index();
    desk().retain(new Set(watches.keys()));
  }

  function watchOf(rule: Rule, kept: ReadonlyMap<string, Watch>): Watch {
    const before = kept.get(rule.name);
    if (before?.rule.fingerprint === rule.fingerprint) return { rule, state: before.state };
    const stored = saved.get(rule.name);
    if (stored?.fingerprint !== rule.fingerprint) return { rule, state: newRuleState() };
    // An earlier version of the program did not count what is left out.
    return { rule, state: { ...newRuleState(), ...stored.state } };
  }

  function index(): void {
    bySignal = new Map();
    for (const watch of watches.values()) {
      const { service, signal } = watch.rule;
      const signals = bySignal.get(service) ?? new Map<string, Watch[]>();
      bySignal.set(service, signals.set(signal, [...(signals.get(signal) ?? []), watch]));
    }
  }

  function ingest(samples: readonly Sample[]): { unjudged: number; late: number } {
    const { late } = counts;
    let unjudged = 0;
    for (const sample of samples) if (!judgeOne(sample)) unjudged += 1;
    counts.unjudged += unjudged;
    return { unjudged, late: counts.late - late };
  }

  /** False when neither a rule nor the judge of releases judges it. */
  function judgeOne(sample: Sample): boolean {
    counts.samples += 1;
    if (!memory.keep(sample)) counts.untracked += 1;
    const took =
      releases === undefined || sample.release == null ? "unjudged" : releases.take(sample);
    if (took === "late") counts.late += 1;
    let isJudged = took !== "unjudged";
    for (const watch of watchesFor(sample)) {
      if (sample.at < watch.state.lastAt - lateAfterMs) {
        counts.late += 1;
        isJudged = true;
        continue;
      }
      const score = judgedScore(watch.rule, sample);
      if (score === null) continue;
      isJudged = true;
      if (sample.at - watch.state.lastAt > silentAfter(watch)) restart(watch.state);
      judge(watch.state, watch.rule, sample, score);
      dirty.add(watch.rule.name);
      announce(watch);
      for (const listener of judged) listener(watch);
    }
    return isJudged;
  }

  function watchesFor(sample: Sample): readonly Watch[] {
    const judging = bySignal.get(sample.service)?.get(sample.signal) ?? none;
    if (sample.hard === null || judging.some(({ rule }) => rule.judge.kind === "hard"))
      return judging;
    const service = config?.services[sample.service];
    if (service === undefined || found.size >= foundMax) return judging;
    const rule = hardRuleFor(sample, service);
    found.add(rule.name);
    watches.set(rule.name, watchOf(rule, watches));
    index();
    return bySignal.get(sample.service)?.get(sample.signal) ?? none;
  }

  function announce(watch: Watch): void {
    const { rule, state } = watch;
    for (const [dimension, kind] of kindsOf(state, rule)) desk().turn(rule, dimension, kind);
    const last = points.get(rule.name);
    const isDue =
      last === undefined ||
      (state.fresh - last.samples >= pointEverySamples && state.lastAt - last.at >= pointEveryMs) ||
      state.fresh < last.samples;
    if (isDue) point(watch);
  }

  /** Adds the state of the rule's detectors to its trajectory. */
  function point({ rule, state }: Watch): void {
    points.set(rule.name, { samples: state.fresh, at: state.lastAt });
    for (const judgement of judgementsOf(state, rule)) {
      writer.point({
        rule: rule.name,
        dimension: judgement.dimension,
        at: new Date(judgement.at),
        kind: judgement.kind,
        samples: judgement.samples,
        evidence: shownEvidence(judgement.logEvidence),
        threshold: shownEvidence(judgement.logThreshold),
        floor: judgement.floor,
        level: judgement.level,
      });
    }
  }

  /** R3: whether the rule has had no sample for longer than its signal usually pauses. */
  function isSilent(watch: Watch): boolean {
    return world.now().getTime() - watch.state.lastAt > silentAfter(watch);
  }

  return {
    configure,
    /** Takes in what others observed, and says how much of it no rule judges. */
    ingest,
    /** Takes in what Lastgood measured itself, whether or not a rule asks for it. */
    take(samples: readonly Sample[]): void {
      for (const sample of samples) judgeOne(sample);
    },
    counts,
    isSilent,
    /** Says of silent rules that there is too little to say. */
    noticeSilence(): void {
      for (const watch of watches.values()) {
        if (watch.state.lastAt === 0 || !isSilent(watch)) continue;
        for (const [dimension] of kindsOf(watch.state, watch.rule)) {
          desk().turn(watch.rule, dimension, "insufficient");
        }
      }
    },
    watch: (name: string): Watch | null => watches.get(name) ?? null,
    watches: (): readonly Watch[] => [...watches.values()],
    /** What the detector of a rule (or of a segment) says at this moment. */
    read(rule: Rule, dimension: string | null): DimensionJudgement | null {
      const watch = watches.get(rule.name);
      if (watch === undefined) return null;
      return (
        judgementsOf(watch.state, watch.rule).find((each) => each.dimension === dimension) ?? null
      );
    },
    /** Median of the measured values, and the mean score, since the onset: by signal. */
    levelsOf(rule: Rule, judgement: DimensionJudgement): ReadonlyMap<string, number> {
      const levels = new Map<string, number>();
      if (judgement.level !== null) levels.set(rule.signal, judgement.level);
      const measured = rule.measure === null ? null : memory.history(rule.service, rule.measure);
      if (rule.measure !== null && measured !== null && judgement.onset !== null) {
        const values = valuesBetween(measured, judgement.onset, Number.POSITIVE_INFINITY);
        if (values.length > 0) levels.set(rule.measure, quantile(values, 0.5));
      }
      return levels;
    },
    /** What the rules of these services saw so far no longer counts against them. */
    restartRun(services: ReadonlySet<string>): void {
      for (const watch of watches.values()) {
        if (!services.has(watch.rule.service)) continue;
        restart(watch.state);
        dirty.add(watch.rule.name);
        announce(watch);
      }
    },
    remeasure(watch: Watch): void {
      remeasure(watch.state);
      dirty.add(watch.rule.name);
      announce(watch);
    },
    /** Called after each judged sample; returns how to stop. */
    onJudged(listener: (watch: Watch) => void): () => void {
      judged.add(listener);
      return () => judged.delete(listener);
    },
    /** The states to save now, at most 100: those that changed longest ago first. */
    takeDirty(): readonly SavedState[] {
      const states: SavedState[] = [];
      for (const name of dirty) {
        if (states.length >= statesPerSave) break;
        dirty.delete(name);
        const watch = watches.get(name);
        if (watch === undefined) continue;
        states.push({ rule: name, fingerprint: watch.rule.fingerprint, state: watch.state });
      }
      return states;
    },
    markDirty(states: readonly SavedState[]): void {
      for (const { rule } of states) dirty.add(rule);
    },
    /** Goes on from the states that an earlier run of the server saved. Before the first `configure`. */
    restore(states: readonly SavedState[]): void {
      saved = new Map(states.map((each) => [each.rule, each]));
    },
  };
}

/** R2. Twenty times the usual pause between samples; at least a minute, ten for hard failures. */
function silentAfter({ rule, state }: Watch): number {
  const least = rule.judge.kind === "hard" ? hardSilentAfterMs : silentAfterMs;
  return Math.max(least, 20 * (spacingMs(state.whole.rate) ?? 0));
}
