/** What the runs show. Pure. */
import type { Given } from "../../packages/server/src/drills/outside/outside.ts";
import { timesOf } from "../../packages/server/test/drills/kills/table.ts";
import { kindOf } from "./act.ts";
import type { Left, Played } from "./play.ts";
import type { Line } from "./said.ts";

export interface Figures {
  readonly kills: number;
  /** From the kill to the next process being at the task that was interrupted, where it came so far. */
  readonly resumeMs: Spread;
  /** The same without the start of Node and the loading of the program with all that it imports. */
  readonly loadedToResumeMs: Spread;
  /** From one step to the next while nobody is killed. */
  readonly stepMs: Spread;
  readonly effects: Effects;
  /** Effects whose outcome nobody could tell: neither repeated nor skipped before a person settled them. */
  readonly settledByAPerson: number;
  /** The median of `resumeMs` in each round. */
  readonly resumeP50MsByRound: readonly number[];
}

export interface Effects {
  readonly wanted: number;
  /** How often the outside was given something that it had been given before. */
  readonly repeated: number;
  /** What of it came under another key, and so would be repeated by an outside that honours keys, too. */
  readonly repeatedUnderAnotherKey: number;
  readonly lost: number;
  /** The first of them. */
  readonly lostNames: readonly string[];
}

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export function figuresOf(
  rounds: readonly Played[],
  given: readonly Given[],
  steps: number,
): Figures {
  const lives = rounds.flatMap((played) => played.lives);
  const resumed = rounds.map(resumptionsOf);
  return {
    kills: lives.filter(({ killedAt }) => killedAt !== null).length,
    resumeMs: spreadOf(resumed.flat().map(({ sinceKillMs }) => sinceKillMs)),
    loadedToResumeMs: spreadOf(resumed.flat().map(({ sinceLoadedMs }) => sinceLoadedMs)),
    stepMs: spreadOf(lives.flatMap(stepsOf)),
    effects: effectsOf(
      rounds.flatMap(({ tasks }) => tasks),
      given,
      steps,
    ),
    settledByAPerson: rounds.reduce((sum, { settled }) => sum + settled, 0),
    resumeP50MsByRound: resumed.map(
      (each) => spreadOf(each.map(({ sinceKillMs }) => sinceKillMs)).p50,
    ),
  };
}

/** Theirs to ours: above 1, they took longer. */
export function ratiosOf(theirs: Figures, ours: Figures) {
  return {
    resumeP50: ratio(theirs.resumeMs.p50, ours.resumeMs.p50),
    resumeP95: ratio(theirs.resumeMs.p95, ours.resumeMs.p95),
    resumeP50ByRound: theirs.resumeP50MsByRound.map((each, round) =>
      ratio(each, ours.resumeP50MsByRound[round] ?? Number.NaN),
    ),
    loadedToResumeP50: ratio(theirs.loadedToResumeMs.p50, ours.loadedToResumeMs.p50),
    stepP50: ratio(theirs.stepMs.p50, ours.stepMs.p50),
  };
}

interface Resumption {
  readonly sinceKillMs: number;
  readonly sinceLoadedMs: number;
}

/** Of each process that came after a killed one: when it was at the very task that had been interrupted. */
export function resumptionsOf({ lives }: Pick<Played, "lives">): readonly Resumption[] {
  let interrupted: string | null = null;
  return lives.flatMap(({ lines }, index) => {
    const before = interrupted;
    const first = lines.find(isActing);
    interrupted = lines.findLast(isActing)?.task ?? before;
    const killedAt = lives[index - 1]?.killedAt ?? null;
    const loaded = lines.find(({ say }) => say === "loaded");
    if (first === undefined || loaded === undefined || killedAt === null) return [];
    if (before === null || first.task !== before) return [];
    return [{ sinceKillMs: first.at - killedAt, sinceLoadedMs: first.at - loaded.at }];
  });
}

const shownMax = 10;

export function effectsOf(
  tasks: readonly string[],
  given: readonly Given[],
  steps: number,
): Effects {
  const kinds = Array.from({ length: steps }, (_, index) => kindOf(index + 1));
  const sent = Map.groupBy(given, ({ name, kind }) => `${name} ${kind}`);
  const wanted = tasks.flatMap((task) => kinds.map((kind) => `${task} ${kind}`));
  const keys = wanted.map((effect) => (sent.get(effect) ?? []).map(({ key }) => key));
  const lost = wanted.filter((effect) => !sent.has(effect));
  const sum = (of: (each: readonly string[]) => number) =>
    keys.reduce((total, each) => total + of(each), 0);
  return {
    wanted: wanted.length,
    repeated: sum((each) => Math.max(0, each.length - 1)),
    repeatedUnderAnotherKey: sum((each) => Math.max(0, new Set(each).size - 1)),
    ...{ lost: lost.length, lostNames: lost.slice(0, shownMax) },
  };
}

function stepsOf({ lines }: Left): readonly number[] {
  const acting = lines.filter(isActing);
  return acting.flatMap((line, index) => {
    const before = acting[index - 1];
    return before?.task === line.task ? [line.at - before.at] : [];
  });
}

function isActing(line: Line): line is Extract<Line, { readonly say: "acting" }> {
  return line.say === "acting";
}

function spreadOf(values: readonly number[]): Spread {
  const { count, p50, p95, max } = timesOf(values);
  const shown = (value: number | null) => rounded(value ?? Number.NaN);
  return { count, p50: shown(p50), p95: shown(p95), max: shown(max) };
}

function ratio(theirs: number, ours: number): number {
  return rounded(theirs / ours);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
