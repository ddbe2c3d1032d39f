/**
 * What one line of a candidate says now. Pure.
 *
 *   S1. With a control, only the comparison convicts; where both are below their floor the cause is shared.
 *   S2. A regression is proved for the candidate (alpha), and among all that the fleet compares (e-BH).
 *   S3. Without a control, a fall below the floor first asks for one. Where nobody can be asked, a person is
 *       called (`control` null), unless nothing was changed for so long that it is drift.
 *       So it is where what serves beside it serves so little that a comparison would take long.
 *   S4. Missing data never convicts, and never says that all is well.
 *   S5. Of a few samples even equals differ by more than delta: a lower mean holds a ramp back only as long as the
 *       evidence leans that way.
 */
import type { DetectorState, Judgement } from "./detector.ts";
import { falseAlarmSamples } from "./detector.ts";
import { fleetLevel } from "./fleet-evidence.ts";
import { logRun } from "./late-onset.ts";
import { spacingMs } from "./measured-rate.ts";
import {
  floorOfLine,
  isInTrial,
  isOtherWell,
  judgedArm,
  judgedPair,
  type LineState,
  meanOf,
  pairSettings,
} from "./release-line.ts";
import { type Placed, sharersOf, type Trial } from "./release-trial.ts";
import type { Guardrail, ReleaseMethod, ReleaseVerdictKind } from "./release-verdict.ts";
import { levelSince, windowSamplesMin } from "./sustain.ts";

export interface Stance {
  readonly placed: Placed;
  readonly kind: ReleaseVerdictKind;
  readonly method: ReleaseMethod;
  readonly logEvidence: number;
  readonly logThreshold: number;
  readonly level: number;
  readonly against: number;
  readonly onset: number | null;
  /** The version that it is compared with. */
  readonly control: string | null;
  readonly controlIsWell: boolean | null;
  readonly needsControl: boolean;
  readonly why: Why;
}

export type Why =
  | { readonly kind: "worse" | "not-worse" | "not-shown" | "maybe-worse" | "both-fell" | "fell" }
  | { readonly kind: "few"; readonly candidate: number; readonly control: number | null }
  | { readonly kind: "silent"; readonly since: number }
  | { readonly kind: "among-many"; readonly least: number }
  | { readonly kind: "asking"; readonly release: string }
  | { readonly kind: "nobody-to-ask"; readonly because: string }
  | { readonly kind: "long-unchanged" };

export interface Outlook {
  readonly now: number;
  /** log of the least evidence that stands out among all that the fleet compares. */
  leastOfFleet(): number;
  /** A release that has served alone for longer is nobody's recent change. */
  readonly freshForMs: number;
}

const silentAfterMs = 60_000;
const askForMs = 600_000;
/** A control that serves less than a fifth of the requests pairs less than a fourth of the candidate's. */
const rareControl = 4;
/** A run this strong may be damage. */
const logSuspicious = Math.log(20);
/** Of equals, every second comparison may once come so far by chance (Ville's inequality). */
const logLeaning = Math.log(2);

export function stanceOf(trial: Trial, placed: Placed, outlook: Outlook): Stance {
  const { control } = trial.watched;
  return control === null
    ? stanceAlone(trial, placed, outlook)
    : stanceBeside(trial, placed, control, outlook);
}

/** S1. */
function stanceBeside(trial: Trial, placed: Placed, control: string, outlook: Outlook): Stance {
  const { line, guardrail } = placed;
  const sharers = sharersOf(trial);
  const pair = judgedPair(line, guardrail, sharers);
  const own = judgedArm(line, guardrail, "candidate", sharers);
  const seen = { ...compared(placed, pair, line.pair), control };
  if (pair.kind === "regression") return convicted(placed, pair, outlook, seen);
  if (own.kind === "regression" && isOtherWell(line, guardrail, own.onset ?? 0) === false) {
    return {
      ...seen,
      kind: "drift",
      onset: own.onset,
      controlIsWell: false,
      why: { kind: "both-fell" },
    };
  }
  if (own.kind === "regression" && mayAsk(trial, line, outlook)) {
    const alone = { ...heldToFloor(placed, own), control, controlIsWell: seen.controlIsWell };
    return { ...alone, needsControl: true, why: { kind: "asking", release: control } };
  }
  const few = tooFew(line, guardrail.minSamples, line.control.n) ?? silence(line, outlook.now);
  if (few !== null) return { ...seen, kind: "insufficient", why: few };
  const isEven = meanOf(line.candidate) >= meanOf(line.control) - guardrail.delta;
  const isCalm = own.kind !== "regression" && logRun(line.pair.lateOnset) < logSuspicious;
  if (!isCalm) return { ...seen, kind: "hold", why: { kind: "maybe-worse" } };
  if (isEven) return { ...seen, kind: "well", why: { kind: "not-worse" } };
  // S5.
  return isInTrial(line.pair) && pair.logEvidence < logLeaning
    ? { ...seen, kind: "well", why: { kind: "not-shown" } }
    : { ...seen, kind: "hold", why: { kind: "maybe-worse" } };
}

/** S3. Copies are asked, or would tell much sooner than the few requests that the control serves by itself. */
function mayAsk({ askedAt, cannotAsk }: Trial, line: LineState, { now }: Outlook): boolean {
  if (cannotAsk !== null) return false;
  if (askedAt !== null) return now - askedAt < askForMs;
  return line.candidate.n > rareControl * line.control.n;
}

/** S2. */
function convicted(
  { line, guardrail }: Placed,
  pair: Judgement,
  outlook: Outlook,
  seen: Stance,
): Stance {
  const since = pair.onset ?? 0;
  const levels = {
    level: levelSince(line.own.sustain, since),
    against: levelSince(line.other.sustain, since),
  };
  const dated = {
    ...{ ...seen, onset: pair.onset, controlIsWell: isOtherWell(line, guardrail, since) },
    level: levels.level.n === 0 ? seen.level : levels.level.mean,
    against: levels.against.n === 0 ? seen.against : levels.against.mean,
  };
  const least = outlook.leastOfFleet();
  if (line.convictedAt !== null || strengthOf(line, guardrail) >= least) {
    return { ...dated, kind: "regression", why: { kind: "worse" } };
  }
  return { ...dated, kind: "hold", why: { kind: "among-many", least } };
}

/** S3. */
function stanceAlone(trial: Trial, placed: Placed, outlook: Outlook): Stance {
  const { line, guardrail } = placed;
  const own = judgedArm(line, guardrail, "candidate", sharersOf(trial));
  const alone = heldToFloor(placed, own);
  if (own.kind === "regression") return fallen(trial, placed, alone, outlook);
  const few = tooFew(line, guardrail.minSamples, null) ?? silence(line, outlook.now);
  if (few !== null || alone.against === 0) {
    return {
      ...alone,
      kind: "insufficient",
      why: few ?? { kind: "few", candidate: line.candidate.n, control: null },
    };
  }
  return logRun(line.own.lateOnset) < logSuspicious
    ? { ...alone, kind: "well", why: { kind: "not-worse" } }
    : { ...alone, kind: "hold", why: { kind: "maybe-worse" } };
}

function fallen(trial: Trial, placed: Placed, alone: Stance, outlook: Outlook): Stance {
  const { watched, askedAt, cannotAsk, aloneSince } = trial;
  const { prior } = watched;
  const { line, guardrail } = placed;
  if (cannotAsk !== null) {
    const because = cannotAsk;
    const isOld = outlook.now - (aloneSince ?? outlook.now) > outlook.freshForMs;
    return isOld
      ? { ...alone, kind: "drift", why: { kind: "long-unchanged" } }
      : { ...alone, kind: "regression", why: { kind: "nobody-to-ask", because } };
  }
  const asking: Stance = {
    ...alone,
    kind: "hold",
    needsControl: true,
    why: { kind: "asking", release: prior },
  };
  if (askedAt === null) return asking;
  const pair = judgedPair(line, guardrail, sharersOf(trial));
  const seen = { ...compared(placed, pair, line.pair), control: prior, onset: alone.onset };
  if (pair.kind === "regression") {
    const found = convicted(placed, pair, outlook, seen);
    return { ...found, onset: alone.onset, needsControl: found.kind !== "regression" };
  }
  const isWell = isOtherWell(line, guardrail, askedAt);
  if (isWell === false && pair.samples >= windowSamplesMin) {
    return { ...seen, kind: "drift", controlIsWell: false, why: { kind: "both-fell" } };
  }
  if (outlook.now - askedAt < askForMs) return asking;
  const because = `copies of requests to ${prior} did not tell within ten minutes`;
  return { ...alone, kind: "regression", why: { kind: "nobody-to-ask", because } };
}

/** What a comparison shows, before it is said what it means. */
function compared(placed: Placed, pair: Judgement, state: DetectorState): Stance {
  const { line, guardrail } = placed;
  return {
    ...{ placed, kind: "hold", method: isInTrial(state) ? "paired" : "late-onset" },
    ...{ logEvidence: pair.logEvidence, logThreshold: pair.logThreshold },
    ...{ level: meanOf(line.candidate), against: meanOf(line.control), onset: null, control: null },
    controlIsWell: isOtherWell(line, guardrail, 0),
    ...{ needsControl: false, why: { kind: "maybe-worse" } },
  };
}

function heldToFloor(placed: Placed, own: Judgement): Stance {
  const { line, guardrail } = placed;
  return {
    ...{ placed, kind: "hold", method: isInTrial(line.own) ? "floor" : "late-onset" },
    ...{ logEvidence: own.logEvidence, logThreshold: own.logThreshold },
    ...{ level: own.level ?? meanOf(line.candidate), against: floorOfLine(line, guardrail) ?? 0 },
    ...{ onset: own.onset, control: null, controlIsWell: null },
    ...{ needsControl: false, why: { kind: "fell" } },
  };
}

function tooFew({ candidate, pair }: LineState, least: number, control: number | null): Why | null {
  const isEnough =
    candidate.n >= least && (control === null || pair.samples >= Math.min(least, windowSamplesMin));
  return isEnough ? null : { kind: "few", candidate: candidate.n, control };
}

/** S4. */
function silence({ own }: LineState, now: number): Why | null {
  const after = Math.max(silentAfterMs, 20 * (spacingMs(own.rate) ?? 0));
  return now - own.lastAt > after ? { kind: "silent", since: own.lastAt } : null;
}

/** log of the comparison's e-value, for e-BH; of a detector of late onset, R / (q B). */
export function strengthOf(line: LineState, guardrail: Guardrail): number {
  const settings = pairSettings(guardrail, line.pair);
  const { logEvidence } = judgedPair(line, guardrail, 1);
  if (settings.kind === "floor") return logEvidence;
  const least = falseAlarmSamples(line.pair, settings.falseAlarmDays);
  return logEvidence - Math.log(least) - Math.log(fleetLevel);
}
