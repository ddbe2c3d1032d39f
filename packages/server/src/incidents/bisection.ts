/**
 * Which commit of a line first makes a check fail, when the check itself may lie.
 *
 * The line is what one service's repository gained: revision 0 is the parent of the first suspect,
 * revision i the i-th suspect with all before it. Hypotheses: suspect i is the first bad one, or none is.
 *
 *     revisions   0      1      2      3      4 (served)
 *                 o──────o──────o──────x──────x
 *     "3 is the first bad": 0..2 are good, 3 and 4 are bad
 *
 *   B1. On a good revision the check fails with the flake rate f, which is unknown: it is integrated out
 *       over a grid on [.01, .99], weighted by a Beta prior that the check's history on known-good
 *       revisions has sharpened. A small part of the prior says that the check always fails here.
 *   B2. A revision between the ends may, rarely, be bad for a reason of its own that a later one mended.
 *   B3. On a bad revision the check passes with the miss rate .01.
 *   B4. The order of observations does not matter, only how often each revision was good or bad. "Cannot
 *       tell" says nothing; a revision that only ever says that is left out.
 *   B5. No suspect is convicted without a pair: a failure with it and a pass without it.
 */
import { type CheckHistory, flakeGrid, logSumExp, missRate } from "../sandbox/flake.ts";
import { clampFactor, factorMax, witnessAt } from "./suspects.ts";

const spoiltRate = 0.004;
/** Without a pair the factor stays just under what makes a witness. */
const unpairedMax = 19;
/** Clearing everybody asks for more than convicting one: a check may miss what it should see. */
const clearedAt = 0.9999;
const cannotTellMax = 2;
const runsPerRevisionMax = 12;
/** A run that would teach less than this is not worth starting. In nats. */
const worthRunning = 1e-4;
/** The same while another run is under way: its answer may be worth waiting for, with the machine to itself. */
const worthRunningBeside = 4e-3;

/** How often the check was seen good and bad at one revision. */
export interface Tally {
  readonly good: number;
  readonly bad: number;
  readonly cannotTell: number;
}

export const untried: Tally = { good: 0, bad: 0, cannotTell: 0 };

/** What one line's reruns have shown: `tallies[i]` is revision i; one more than there are suspects. */
export interface Line {
  readonly tallies: readonly Tally[];
  /** How often the check passed and failed on revisions known to be good. */
  readonly history: CheckHistory;
  /**
   * How likely each suspect was before any rerun, `weights[i - 1]` for suspect i. What is missing to 1 is
   * "none of this line".
   */
  readonly weights: readonly number[];
}

export interface Belief {
  /** Of suspect i (counted from 1) at index i - 1. */
  readonly posterior: readonly number[];
  /** That none of this line is the first bad one. */
  readonly none: number;
  /** How many times likelier the reruns are under suspect i than under none, unbounded, as a logarithm. */
  readonly logRatios: readonly number[];
  /** Hypothesis i (0: none; i: suspect i) expects revision p to fail with probability `expects[i][p]`. */
  readonly expects: readonly (readonly number[])[];
}

/** What is believed of each suspect of the line after its reruns. */
export function believe(line: Line): Belief {
  const { tallies } = line;
  const count = tallies.length - 1;
  const grid = flakeGrid(line.history);
  // Per flake rate: the log-likelihood of all revisions before p if they are good; per revision, if bad.
  const goodBefore = grid.map(({ rate }) =>
    runningSums(tallies.map((tally, p) => logIfGood(tally, rate, p, count))),
  );
  const badBefore = runningSums(
    tallies.map(({ good, bad }) => bad * Math.log1p(-missRate) + good * Math.log(missRate)),
  );
  const fails = grid.map(({ rate }) =>
    tallies.map((tally, p) => failsIfGood(tally, rate, p, count)),
  );
  const noneBefore = 1 - line.weights.reduce((sum, each) => sum + each, 0);

  const logEvidence: number[] = [];
  const expects: number[][] = [];
  for (let hypothesis = 0; hypothesis <= count; hypothesis++) {
    const goods = hypothesis === 0 ? count + 1 : hypothesis;
    const bads = (badBefore[count + 1] ?? 0) - (badBefore[goods] ?? 0);
    const logs = grid.map(({ logWeight }, k) => logWeight + (goodBefore[k]?.[goods] ?? 0) + bads);
    const all = logSumExp(logs);
    const weights = logs.map((each) => Math.exp(each - all));
    logEvidence.push(all);
    expects.push(
      tallies.map((_, p) =>
        p < goods
          ? weights.reduce((sum, weight, k) => sum + weight * (fails[k]?.[p] ?? 0), 0)
          : 1 - missRate,
      ),
    );
  }
  const scores = logEvidence.map(
    (each, h) => each + Math.log(Math.max(h === 0 ? noneBefore : (line.weights[h - 1] ?? 0), 1e-9)),
  );
  const total = logSumExp(scores);
  const [none = 1, ...posterior] = scores.map((each) => Math.exp(each - total));
  const logRatios = logEvidence.slice(1).map((each) => each - (logEvidence[0] ?? 0));
  return { posterior, none, logRatios, expects };
}

/**
 * How many times likelier the reruns are if suspect i did it than if none of the line did, in [1/99, 99].
 * Where one goes beyond 99 all are scaled down together: what the reruns say *between* suspects stays
 * exact. Without a pair (B5) a factor is at most 19.
 */
export function rerunFactors(line: Line, belief: Belief = believe(line)): readonly number[] {
  if (line.tallies.every(({ good, bad }) => good + bad === 0)) return belief.posterior.map(() => 1);
  const top = belief.logRatios.reduce((most, each) => Math.max(most, each), 0);
  const excess = Math.max(0, top - Math.log(factorMax));
  return belief.logRatios.map((each, index) => {
    const factor = clampFactor(Math.exp(each - excess));
    return hasPair(line.tallies, index, index) ? factor : Math.min(factor, unpairedMax);
  });
}

/** The same for suspects (indices from 0) taken as one: a bundle that was not split. */
export function groupFactor(line: Line, belief: Belief, group: readonly number[]): number {
  const mass = group.reduce((sum, index) => sum + (line.weights[index] ?? 0), 0);
  const ratio = group.reduce(
    (sum, index) =>
      sum +
      ((line.weights[index] ?? 0) / mass) * Math.exp(Math.min(belief.logRatios[index] ?? 0, 500)),
    0,
  );
  const factor = clampFactor(ratio);
  const paired = hasPair(line.tallies, Math.min(...group), Math.max(...group));
  return paired ? factor : Math.min(factor, unpairedMax);
}

/** The suspect (index from 0) that the reruns alone convict, with probability `sure` or more. */
export function convicted(line: Line, belief: Belief, sure = 0.99): number | null {
  const index = belief.posterior.findIndex((each) => each >= sure);
  return index >= 0 && (rerunFactors(line, belief)[index] ?? 0) >= witnessAt ? index : null;
}

/** Whether further runs would change nothing that matters: one is convicted, or all are cleared. */
export function isSettled(line: Line, belief: Belief, sure = 0.99): boolean {
  return convicted(line, belief, sure) !== null || belief.none >= clearedAt;
}

/** Where runs may go next, and what they cost in runs of a check in a sandbox that is open already. */
export interface Costs {
  /** Revisions whose sandbox is open and free. */
  readonly open: ReadonlySet<number>;
  /** Revisions at which another run is under way: not chosen, and their answers are reckoned with. */
  readonly underWay: readonly number[];
  readonly opening: number;
}

/**
 * The revision (`among` these) whose next run is expected to teach the most for what it costs. Null when none is
 * worth starting; while others are under way, less is.
 */
export function chooseRevision(
  line: Line,
  { open, underWay, opening }: Costs,
  among: ReadonlySet<number> | null = null,
): number | null {
  const gains = expectedInformation(line, underWay);
  const worthIt = underWay.length === 0 ? worthRunning : worthRunningBeside;
  let best: number | null = null;
  let bestWorth = 0;
  for (const [p, tally] of line.tallies.entries()) {
    const gain = gains[p] ?? 0;
    if (among !== null && !among.has(p)) continue;
    if (underWay.includes(p) || isExhausted(tally) || gain < worthIt) continue;
    const worth = gain / (open.has(p) ? 1 : 1 + opening);
    if (worth > bestWorth) {
      best = p;
      bestWorth = worth;
    }
  }
  return best;
}

/** Per revision, what its next run is expected to teach once those under way have answered. In nats. */
function expectedInformation(line: Line, underWay: readonly number[]): readonly number[] {
  const belief = believe(line);
  const weights = [belief.none, ...belief.posterior];
  const [pending, ...rest] = underWay;
  if (pending === undefined) {
    return line.tallies.map((_, p) => informationOf(weights, belief.expects, p));
  }
  const fails = weights.reduce((sum, w, h) => sum + w * (belief.expects[h]?.[pending] ?? 0), 0);
  const ifBad = expectedInformation(withRun(line, pending, "bad"), rest);
  const ifGood = expectedInformation(withRun(line, pending, "good"), rest);
  return ifBad.map((gain, p) => fails * gain + (1 - fails) * (ifGood[p] ?? 0));
}

/** The line with one more run at revision `p`. */
export function withRun(line: Line, p: number, outcome: "good" | "bad" | "cannot-tell"): Line {
  const tallies = line.tallies.map((tally, at) => (at === p ? tallied(tally, outcome) : tally));
  return { ...line, tallies };
}

/** Whether revision `p` has told nothing, or has been asked often enough. */
export function isExhausted({ good, bad, cannotTell }: Tally): boolean {
  if (good + bad === 0) return cannotTell >= cannotTellMax;
  return good + bad + cannotTell >= runsPerRevisionMax;
}

function tallied(tally: Tally, outcome: "good" | "bad" | "cannot-tell"): Tally {
  switch (outcome) {
    case "good":
      return { ...tally, good: tally.good + 1 };
    case "bad":
      return { ...tally, bad: tally.bad + 1 };
    case "cannot-tell":
      return { ...tally, cannotTell: tally.cannotTell + 1 };
  }
}

/** `sums[p]`: of everything before index p. */
function runningSums(values: readonly number[]): readonly number[] {
  const sums = [0];
  for (const value of values) sums.push((sums.at(-1) ?? 0) + value);
  return sums;
}

/** B5: a failure where the last of the group is in, and a pass where the first is not. */
function hasPair(tallies: readonly Tally[], first: number, last: number): boolean {
  return (
    tallies.some(({ bad }, p) => bad > 0 && p >= last + 1) &&
    tallies.some(({ good }, p) => good > 0 && p <= first)
  );
}

/** I(hypothesis; outcome of the next run at revision p), in nats. */
function informationOf(
  weights: readonly number[],
  expects: readonly (readonly number[])[],
  p: number,
): number {
  let overall = 0;
  let within = 0;
  for (const [hypothesis, weight] of weights.entries()) {
    const fails = expects[hypothesis]?.[p] ?? 0;
    overall += weight * fails;
    within += weight * entropy(fails);
  }
  return entropy(overall) - within;
}

function entropy(q: number): number {
  return q <= 0 || q >= 1 ? 0 : -q * Math.log(q) - (1 - q) * Math.log1p(-q);
}

/** Whether B2 applies: never to the parent of the first, nor to what is served and fails in production. */
function mayBeSpoilt(p: number, count: number): boolean {
  return p > 0 && p < count;
}

function logIfGood({ good, bad }: Tally, rate: number, p: number, count: number): number {
  const flaky = bad * Math.log(rate) + good * Math.log1p(-rate);
  if (!mayBeSpoilt(p, count) || good + bad === 0) return flaky;
  const spoilt = bad * Math.log1p(-missRate) + good * Math.log(missRate);
  return logSumExp([flaky + Math.log1p(-spoiltRate), spoilt + Math.log(spoiltRate)]);
}

function failsIfGood(tally: Tally, rate: number, p: number, count: number): number {
  if (!mayBeSpoilt(p, count)) return rate;
  const flaky =
    tally.bad * Math.log(rate) + tally.good * Math.log1p(-rate) + Math.log1p(-spoiltRate);
  const spoilt =
    tally.bad * Math.log1p(-missRate) + tally.good * Math.log(missRate) + Math.log(spoiltRate);
  const share = 1 / (1 + Math.exp(flaky - spoilt));
  return share * (1 - missRate) + (1 - share) * rate;
}
