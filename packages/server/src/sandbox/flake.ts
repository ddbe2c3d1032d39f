/** How often a check fails on what is good, as far as it is known. */

/** How often the check passed and failed on revisions known to be good. */
export interface CheckHistory {
  readonly good: number;
  readonly bad: number;
}

/** No check is trusted to fail less often than this. */
export const flakeFloor = 0.01;
/** How likely it is, before anything is known, that the check always fails where it is rerun. */
const brokenCheck = 0.05;
const alwaysFails = 0.99;
/** Before anything is known of a check: one failure and four passes, a sceptic's fifth. */
const believedBad = 1;
const believedGood = 4;

/** One possible flake rate, and how likely it is. */
export interface FlakePoint {
  readonly rate: number;
  readonly logWeight: number;
}

/** Beta(1 + failures, 4 + passes) on a logarithmic grid (B1), with the check that always fails beside it. */
export function flakeGrid({ good, bad }: CheckHistory): readonly FlakePoint[] {
  const points: FlakePoint[] = [];
  const steps = 48;
  for (let k = 0; k < steps; k++) {
    const rate = flakeFloor * (0.95 / flakeFloor) ** (k / (steps - 1));
    points.push({
      rate,
      logWeight:
        (believedBad + bad) * Math.log(rate) + (believedGood + good - 1) * Math.log1p(-rate),
    });
  }
  // The prior is normalised before the history is, so that the history also tells a broken check.
  const logPrior = logSumExp(
    points.map(({ rate }) => believedBad * Math.log(rate) + (believedGood - 1) * Math.log1p(-rate)),
  );
  const flaky = points.map(({ rate, logWeight }) => ({
    rate,
    logWeight: logWeight - logPrior + Math.log1p(-brokenCheck),
  }));
  const broken = {
    rate: alwaysFails,
    logWeight:
      Math.log(brokenCheck) + bad * Math.log(alwaysFails) + good * Math.log1p(-alwaysFails),
  };
  const all = [...flaky, broken];
  const total = logSumExp(all.map((each) => each.logWeight));
  return all.map((each) => ({ ...each, logWeight: each.logWeight - total }));
}

/** log(sum(exp(each))), without overflow. */
export function logSumExp(logs: readonly number[]): number {
  const top = logs.reduce((most, each) => Math.max(most, each), Number.NEGATIVE_INFINITY);
  if (top === Number.NEGATIVE_INFINITY) return top;
  return top + Math.log(logs.reduce((sum, each) => sum + Math.exp(each - top), 0));
}

/** On a revision with the fault, the check passes this often all the same. */
export const missRate = 0.01;

/**
 * How likely it is that a revision has the fault, by nothing but how often its check passed and failed
 * there, both being as likely beforehand.
 */
export function chanceOfFault(seen: CheckHistory, known: CheckHistory): number {
  const faulty = seen.bad * Math.log1p(-missRate) + seen.good * Math.log(missRate);
  const sound = logSumExp(
    flakeGrid(known).map(
      ({ rate, logWeight }) =>
        logWeight + seen.bad * Math.log(rate) + seen.good * Math.log1p(-rate),
    ),
  );
  return 1 / (1 + Math.exp(sound - faulty));
}
