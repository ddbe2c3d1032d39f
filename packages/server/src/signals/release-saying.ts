/** What a trial says: the line that says most, and one line of it for people. Pure. */
import { type Outlook, type Stance, stanceOf } from "./release-stance.ts";
import { linesIn, type Trial } from "./release-trial.ts";
import { failingShown, type ReleaseVerdict, type ReleaseVerdictKind } from "./release-verdict.ts";
import { shownEvidence } from "./saying.ts";

/** Which line speaks for the trial: the first of these that one of them says. */
const order: readonly ReleaseVerdictKind[] = [
  "regression",
  "drift",
  "hold",
  "insufficient",
  "well",
];

export function stancesOf(trial: Trial, outlook: Outlook): readonly Stance[] {
  return linesIn(trial).map((placed) => stanceOf(trial, placed, outlook));
}

/** Null: it is held to nothing. */
export function loudestOf(trial: Trial, outlook: Outlook): Stance | null {
  const [first, ...others] = stancesOf(trial, outlook);
  return first === undefined ? null : others.reduce(louder, first);
}

export function verdictOfTrial(trial: Trial, outlook: Outlook): ReleaseVerdict | null {
  const loudest = loudestOf(trial, outlook);
  return loudest === null ? null : toVerdict(trial, loudest);
}

/** Whether the release is well as a whole, or in a segment. */
export function stateOfTrial(
  trial: Trial,
  dimension: string | null,
  outlook: Outlook,
): "well" | "bad" | "unknown" {
  const said = stancesOf(trial, outlook)
    .filter(({ placed }) => placed.dimension === dimension)
    .map(({ kind }) => kind);
  if (said.includes("regression") || said.includes("drift")) return "bad";
  return said.length > 0 && said.every((kind) => kind === "well") ? "well" : "unknown";
}

function louder(one: Stance, other: Stance): Stance {
  const place = order.indexOf(one.kind) - order.indexOf(other.kind);
  if (place !== 0) return place < 0 ? one : other;
  if (one.needsControl !== other.needsControl) return one.needsControl ? one : other;
  return other.logEvidence > one.logEvidence ? other : one;
}

export function toVerdict(trial: Trial, stance: Stance): ReleaseVerdict {
  const { placed, kind, method, level, against, onset, control } = stance;
  return {
    ...{ kind, signal: placed.guardrail.signal, dimension: placed.dimension, method },
    evidence: shownEvidence(stance.logEvidence),
    threshold: shownEvidence(stance.logThreshold),
    ...{ level, against, samples: placed.line.candidate.n },
    onset: onset === null ? null : new Date(onset),
    ...{ control, controlIsWell: stance.controlIsWell, needsControl: stance.needsControl },
    failing: kind === "regression" || kind === "drift" ? failingSince(stance) : [],
    says: says(trial, stance),
  };
}

/** Newest first. */
function failingSince({ placed, onset }: Stance): readonly string[] {
  const { own, pair } = placed.line;
  const failures = [...own.keys.failures, ...pair.keys.failures]
    .filter(({ at, key }) => key !== null && at >= (onset ?? 0))
    .toSorted((one, other) => other.at - one.at);
  return [...new Set(failures.flatMap(({ key }) => key ?? []))].slice(0, failingShown);
}

function says(trial: Trial, stance: Stance): string {
  const { placed, why, control, onset } = stance;
  const { artifact, candidate } = trial.watched;
  const { signal } = placed.guardrail;
  const what = `${signal}${placed.dimension === null ? "" : ` (${placed.dimension})`} of ${artifact}:${candidate}`;
  const beside = `${share(stance.level)} against ${share(stance.against)} of ${control}`;
  const evidence = `e = ${figure(stance.logEvidence)}`;
  const since = onset === null ? "" : ` since ${new Date(onset).toISOString()}`;
  switch (why.kind) {
    case "worse":
      return `${what} is worse${since}: ${beside} (${evidence}).`;
    case "among-many":
      return `${what} looks worse${since}: ${beside} (${evidence}; among all that is watched ${figure(why.least)} would prove it).`;
    case "both-fell":
      return `${what} fell${since}, and ${control} beside it did as well: ${beside}; it is not this release.`;
    case "maybe-worse":
    case "fell":
      return control === null
        ? `${what} may be below its floor: ${floorWords(stance)} (${evidence}).`
        : `${what} may be worse: ${beside} (${evidence}), not proved.`;
    case "not-worse":
      return control === null
        ? `${what} holds: ${floorWords(stance)}.`
        : `${what} is not worse: ${beside}.`;
    case "not-shown":
      return `${what} is not shown to be worse: ${beside} (${evidence}).`;
    case "few":
      return why.control === null
        ? `${what}: too few samples to say (${why.candidate}).`
        : `${what}: too few samples to say (${why.candidate}, and ${why.control} of ${control}).`;
    case "silent":
      return why.since === 0
        ? `${what}: no sample was seen yet.`
        : `${what}: no sample since ${new Date(why.since).toISOString()}.`;
    case "asking":
      return `${what} fell below its floor${since}: ${floorWords(stance)} (${evidence}); ${why.release} is asked the same requests.`;
    case "nobody-to-ask":
      return `${what} fell below its floor${since}: ${floorWords(stance)} (${evidence}); ${why.because}, so a shared cause cannot be told from it.`;
    case "long-unchanged":
      return `${what} drifted below its floor${since}: ${floorWords(stance)} (${evidence}); it has served unchanged for long.`;
  }
}

function floorWords({ level, against }: Stance): string {
  return `${share(level)}, its floor is ${share(against)}`;
}

function share(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

function figure(log: number): string {
  const value = shownEvidence(log);
  return value >= 1e6 ? value.toExponential(1) : value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
