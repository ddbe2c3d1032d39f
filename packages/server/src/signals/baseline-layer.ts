/**
 * Nothing is done to the world: the step counts when the services' own signals are well again.
 *
 *   L1. What was measured before the check began never counts: the detectors' runs start anew with it.
 *   L2. Back at baseline = the rule holds over at least 20 fresh samples, the latest 20 lie at its floor
 *       or above, and the measured values' median is within max(25 %, 5 ms) of what it was in the hour
 *       before the onset; the 95th percentile too, where both sides have 200 samples.
 *   L3. A signal whose samples do not come in is a difference for the rules that had alarmed, and is said
 *       for the others. Where not one came, another server may get them (unheard.ts): it waits, and twice
 *       as long.
 */
import type { Configuration } from "../config/config.ts";
import {
  emptyPlan,
  type Layer,
  type Plan,
  type Step,
  settleMsMax,
  type Verification,
} from "../layers/layer.ts";
import type { World } from "../world.ts";
import { type History, quantile, recentOf, valuesBetween } from "./history.ts";
import { spacingMs } from "./measured-rate.ts";
import type { Rule } from "./rule.ts";
import type { RuleEngine, Watch } from "./rule-engine.ts";
import { judgedScore, judgementsOf } from "./rule-judge.ts";
import type { SignalMemory } from "./signal-memory.ts";
import { createUnheard } from "./unheard.ts";

export interface BaselineLayerDeps {
  readonly world: World;
  readonly configuration: Configuration;
  readonly engine: RuleEngine;
  readonly memory: SignalMemory;
  /** Makes the probes of these services look closer. */
  attend(services: ReadonlySet<string>, forMs: number): void;
  /** Names of the rules that said regression or drift at or after that moment. */
  alarmedSince(rules: readonly string[], since: Date): Promise<ReadonlySet<string>>;
  /** How long fresh samples are waited for. Default: at least 30 s, and 25 of the signal's own pauses. */
  readonly deadlineMs?: number;
}

const freshMin = 20;
const deadlineMinMs = 30_000;
/** How long a first sample is waited for: who gets none leaves it to another server soon. */
const hearMinMs = 5_000;
const lookEveryMs = 25;
const hourMs = 3_600_000;
const tailSamplesMin = 200;
const millisecondsAllowed = 5;
const shareAllowed = 0.25;

export function createBaselineLayer(deps: BaselineLayerDeps): Layer<"signals"> {
  const { world, engine, memory } = deps;
  const unheard = createUnheard();

  const watchesOf = (services: readonly string[]) =>
    engine.watches().filter(({ rule }) => services.includes(rule.service) && rule.customerFacing);

  async function plan({ services, since }: Parameters<Layer<"signals">["plan"]>[0]) {
    const config = deps.configuration.current();
    const known = services.filter((service) => service in config.services);
    const watched = known.filter((service) => watchesOf([service]).length > 0);
    const gaps = services
      .filter((service) => !watched.includes(service))
      .map(
        (service) => `${service} has no customer-facing rule: nothing can tell that it is well.`,
      );
    for (const { rule } of watchesOf(watched)) {
      const before = baselineValues(memory, rule, since.getTime());
      if (rule.measure !== null && before.length < freshMin) {
        gaps.push(
          `${rule.name} has ${before.length} measured values from before the onset: only its floor is checked.`,
        );
      }
    }
    if (watched.length === 0) return { ...emptyPlan, gaps };
    const step: Step<"signals"> = {
      layer: "signals",
      stage: "settle",
      action: { do: "await-baseline", services: watched, onset: since.toISOString() },
      says: `Wait until the signals of ${watched.join(", ")} are back at their baseline.`,
    };
    return { ...emptyPlan, steps: [step], gaps } satisfies Plan<"signals">;
  }

  async function verify({ action }: Step<"signals">, signal: AbortSignal): Promise<Verification> {
    const services = new Set<string>(action.services);
    const onset = new Date(action.onset);
    const watches = watchesOf(action.services);
    const began = world.now().getTime();
    const beganAt = performance.now();
    const what = JSON.stringify(action);
    engine.restartRun(services);
    const alarmed = await deps.alarmedSince(
      watches.map(({ rule }) => rule.name),
      new Date(onset.getTime() - 1_000),
    );
    const required = (watch: Watch) => alarmed.size === 0 || alarmed.has(watch.rule.name);
    const waitMs = deadlineOf(watches.filter(required));
    deps.attend(services, waitMs);
    const silent = () => watches.filter((watch) => required(watch) && watch.state.fresh === 0);
    const hearMs = Math.min(waitMs, Math.max(hearMinMs, 3 * slowestOf(watches.filter(required))));
    await settle(engine, hearMs, signal, () => silent().length === 0);
    const look = () =>
      watches.map((watch) => findingOf(memory, watch, onset.getTime(), began, required(watch)));
    if (silent().length === 0) {
      const leftMs = Math.max(0, waitMs - (performance.now() - beganAt));
      await settle(engine, leftMs, signal, () => look().every(({ kind }) => kind === "well"));
    }
    const unheardOf = silent().map(({ rule }) => rule.name);
    if (unheardOf.length > 0 && !unheard.still(what, 2 * waitMs)) {
      const waitsFor = `samples of ${unheardOf.join(", ")}: none came to this server`;
      return { ok: "waiting", waitsFor };
    }
    unheard.forget(what);
    const findings = look();
    const differences = findings.filter(({ kind }) => kind === "worse").map(({ says }) => says);
    const [first, ...others] = differences;
    if (first !== undefined) return { ok: false, differences: [first, ...others] };
    return { ok: true, observed: findings.map(({ says }) => says) };
  }

  function deadlineOf(watches: readonly Watch[]): number {
    if (deps.deadlineMs !== undefined) return deps.deadlineMs;
    return Math.min(settleMsMax, Math.max(deadlineMinMs, freshMin * 1.25 * slowestOf(watches)));
  }

  return {
    kind: "signals",
    plan,
    apply: async () => {},
    verify,
    // Waiting changed nothing, so there is nothing to take back.
    undo: async () => emptyPlan,
  };
}

/** The longest of the usual pauses between two samples, in milliseconds. */
function slowestOf(watches: readonly Watch[]): number {
  return Math.max(0, ...watches.map(({ state }) => spacingMs(state.whole.rate) ?? 0));
}

interface Finding {
  readonly kind: "well" | "worse" | "unknown";
  readonly says: string;
}

/** L2, L3. */
function findingOf(
  memory: SignalMemory,
  { rule, state }: Watch,
  onset: number,
  began: number,
  isRequired: boolean,
): Finding {
  if (state.fresh < freshMin) {
    const says = `${rule.name}: ${state.fresh} of ${freshMin} fresh samples came in.`;
    return { kind: isRequired ? "worse" : "unknown", says };
  }
  const judgement = judgementsOf(state, rule).find(({ dimension }) => dimension === null);
  const floor = judgement?.floor ?? null;
  const scores = recentScores(memory, rule, began);
  const level = scores.reduce((sum, each) => sum + each, 0) / Math.max(1, scores.length);
  if (judgement?.kind === "regression") {
    return { kind: "worse", says: `${rule.name}: still regressed, at ${percent(level)}.` };
  }
  if (rule.judge.kind === "hard" && state.hard.goodInARow < freshMin) {
    const says = `${rule.name}: ${state.hard.goodInARow} good samples in a row, ${freshMin} are needed.`;
    return { kind: isRequired ? "worse" : "unknown", says };
  }
  if (rule.judge.kind !== "hard" && floor !== null && level < floor) {
    return {
      kind: "worse",
      says: `${rule.name}: ${percent(level)} over the last ${scores.length} samples, its floor is ${percent(floor)}.`,
    };
  }
  const measured = measuredFinding(memory, rule, onset, began);
  if (measured?.kind === "worse") return measured;
  const holds = `${rule.name}: holds at ${percent(level)} over ${state.fresh} fresh samples`;
  return { kind: "well", says: measured === null ? `${holds}.` : `${holds}; ${measured.says}` };
}

/** The scores of the latest 20 fresh samples. */
function recentScores(memory: SignalMemory, rule: Rule, began: number): readonly number[] {
  const history = memory.history(rule.service, rule.signal);
  if (history === null) return [];
  return recentOf(history)
    .filter(({ at }) => at >= began)
    .flatMap((sample) => judgedScore(rule, sample) ?? [])
    .slice(-freshMin);
}

function measuredFinding(
  memory: SignalMemory,
  rule: Rule,
  onset: number,
  began: number,
): Finding | null {
  if (rule.measure === null) return null;
  const before = baselineValues(memory, rule, onset);
  const history = memory.history(rule.service, rule.measure);
  const after = history === null ? [] : valuesSince(history, began);
  if (before.length < freshMin) {
    return { kind: "well", says: "no baseline of measured values to compare with." };
  }
  if (after.length < freshMin) {
    return {
      kind: "worse",
      says: `${rule.name}: ${after.length} of ${freshMin} fresh values of ${rule.measure} came in.`,
    };
  }
  const shares =
    before.length >= tailSamplesMin && after.length >= tailSamplesMin ? [0.5, 0.95] : [0.5];
  const says: string[] = [];
  for (const share of shares) {
    const [was, is] = [quantile(before, share), quantile(after, share)];
    const what = `${share === 0.5 ? "median" : "95th percentile"} of ${rule.measure} ${figure(is)}, ${figure(was)} before the onset`;
    if (isWorse(rule, was, is)) return { kind: "worse", says: `${rule.name}: ${what}.` };
    says.push(what);
  }
  return { kind: "well", says: `${says.join("; ")}.` };
}

/** Only the bad direction counts; 5 ms are forgiven where the signal is in milliseconds. */
function isWorse(rule: Rule, was: number, is: number): boolean {
  const inMilliseconds = rule.measure?.endsWith("_ms") === true;
  const allowed = Math.max(Math.abs(was) * shareAllowed, inMilliseconds ? millisecondsAllowed : 0);
  const isUpBad = rule.good === null || rule.good.atMost !== undefined;
  const isDownBad = rule.good?.atLeast !== undefined;
  return (isUpBad && is > was + allowed) || (isDownBad && is < was - allowed);
}

function baselineValues(memory: SignalMemory, rule: Rule, onset: number): readonly number[] {
  const history = rule.measure === null ? null : memory.history(rule.service, rule.measure);
  return history === null ? [] : valuesBetween(history, onset - hourMs, onset);
}

function valuesSince(history: History, began: number): readonly number[] {
  return valuesBetween(history, began, Number.POSITIVE_INFINITY);
}

/** Resolves when `isDone`, when the time is up, or throws when the signal aborts. */
async function settle(
  engine: RuleEngine,
  waitMs: number,
  signal: AbortSignal,
  isDone: () => boolean,
): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const finish = (act: () => void) => {
      clearTimeout(timer);
      clearTimeout(next);
      stopListening();
      signal.removeEventListener("abort", abort);
      act();
    };
    const abort = () => finish(() => reject(signal.reason));
    const timer = setTimeout(() => finish(resolve), waitMs);
    let next: NodeJS.Timeout | undefined;
    const stopListening = engine.onJudged(() => {
      // Samples may come by the thousand: looking is put off, and done once for all of them.
      next ??= setTimeout(() => {
        next = undefined;
        if (isDone()) finish(resolve);
      }, lookEveryMs);
    });
    signal.addEventListener("abort", abort, { once: true });
    if (isDone()) finish(resolve);
  });
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function figure(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0);
}
