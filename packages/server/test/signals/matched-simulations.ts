/** Requests whose copies are asked, with a known truth: shared by the tests and the longer table. */
import { kindOf } from "../../src/signals/detector.ts";
import { fleetLevel } from "../../src/signals/fleet-evidence.ts";
import { newLine, observeLine, pairSettings } from "../../src/signals/release-line.ts";
import { strengthOf } from "../../src/signals/release-stance.ts";
import { usualGuardrail } from "../../src/signals/simulate.ts";

/** Chances that a request is answered wrong. */
export interface Requests {
  /** By whoever is asked: it is hard. */
  readonly hard: number;
  /** By each alone, by chance. */
  readonly noise: number;
  /** By the candidate alone. */
  readonly worse: number;
}

export interface Asking {
  /** Of the candidate's requests. */
  readonly horizon: number;
  readonly everyMs: number;
  /** The share of the requests that are copied. */
  readonly copied: number;
  /** Whether a copy is compared with its own request. */
  readonly isMatched: boolean;
}

/** After how many of its requests the candidate would be rolled back; null: it never was. */
export function convictedAfterAsking(
  { hard, noise, worse }: Requests,
  random: () => number,
  { horizon, everyMs, copied, isMatched }: Asking,
): number | null {
  const guardrail = usualGuardrail;
  const line = newLine({ m: 0.9, origin: { kind: "objective" }, of: null, at: 0 });
  const feeding = { sharers: 1, isAsked: isMatched };
  const least = Math.log(1 / fleetLevel);
  for (let seen = 1; seen <= horizon; seen++) {
    const [at, key] = [1e12 + seen * everyMs, `e${seen}`];
    const isHard = random() < hard;
    const by = (more: number) => (isHard || random() < noise || random() < more ? 0 : 1);
    observeLine(line, guardrail, { arm: "candidate", at, key, x: by(worse) }, feeding);
    if (random() >= copied) continue;
    observeLine(line, guardrail, { arm: "control", at, key, x: by(0) }, feeding);
    const isWorse = kindOf(line.pair, pairSettings(guardrail, line.pair)) === "regression";
    if (isWorse && strengthOf(line, guardrail) >= least) return seen;
  }
  return null;
}

/** Of so many runs: the share that was rolled back, and the median of the requests that it took those. */
export function askedOften(
  requests: Requests,
  random: () => number,
  { runs, ...how }: Asking & { readonly runs: number },
): { readonly convicted: number; readonly median: number } {
  const found = Array.from({ length: runs }, () => convictedAfterAsking(requests, random, how))
    .map((after) => after ?? Number.POSITIVE_INFINITY)
    .sort((a, b) => a - b);
  const convicted = found.filter(Number.isFinite).length / runs;
  return { convicted, median: found[runs >> 1] ?? Number.POSITIVE_INFINITY };
}
