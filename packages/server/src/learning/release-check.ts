/**
 * The check that a rollback of a release asks for: what failed under it, with the right answers, as far as the
 * release that serves instead gets them right.
 *
 *   R1. Cases are chosen by one run of both releases; the check is accepted by further runs, which chose nothing.
 *   R2. Only what is accepted enters the bank.
 *   R3. A check of the same incident that is in the bank already is proved anew rather than made twice: whoever
 *       wrote it may have died before it was recorded.
 *   R4. What is left out of inputs is left out before anything is run: what is proven is what is written.
 */
import type { Check, CheckEvidence, CheckResult, Evaluator, FoundCheck } from "@lastgood/sdk";
import type { BankCheck } from "../checks/check.ts";
import { Fault } from "../fault.ts";
import { newId, type World } from "../world.ts";
import { type Acceptance, accept, shows } from "./check.ts";
import { leaveOut } from "./left-out.ts";
import {
  casesOf,
  checkNameFor,
  type Done,
  type ReleasePair,
  segmentOf,
  tellingApart,
} from "./propose-check.ts";

/** What this needs of its neighbours. */
export interface ReleaseWorks {
  failingInputs(
    of: { readonly environment: string; readonly artifact: string; readonly version: string },
    limit: number,
  ): Promise<readonly Done[]>;
  recentInputs(
    artifact: string,
    limit: number,
  ): Promise<readonly (Done & { readonly version: string })[]>;
  /** What judges its answers; null where nobody says how a release of it is asked. */
  comparedBy(artifact: string): Promise<Evaluator | null>;
  /** What is left out of its inputs, as JSON paths. */
  droppedOf(artifact: string): Promise<readonly string[]>;
  /** Null where nobody says how a release of it is asked. */
  tryChecks(
    release: { readonly artifact: string; readonly version: string },
    checks: readonly BankCheck[],
    signal: AbortSignal,
  ): Promise<readonly CheckResult[] | null>;
  add(check: BankCheck): Promise<{ readonly file: string }>;
  /** The check of the artifact in the bank that names the incident; null where none does. */
  learned(artifact: string, incident: string): Promise<FoundCheck | null>;
}

export interface Lesson {
  readonly pair: ReleasePair;
  readonly incident: string | null;
  /** The segment that the verdict named. */
  readonly segment: string | null;
}

const failuresMax = 500;
const workMax = 2_000;
const runsMax = 12;
const outputMax = 16_384;

type Run = CheckEvidence;

/** How many failures there are that a check could be made of: while that stays, so does what comes of it. */
export async function truthsOf(
  works: Pick<ReleaseWorks, "failingInputs">,
  { environment, artifact, bad: version }: ReleasePair,
): Promise<number> {
  const failing = await works.failingInputs({ environment, artifact, version }, failuresMax);
  return failing.filter(({ expected }) => expected !== null).length;
}

export async function learnFromRelease(
  works: ReleaseWorks,
  world: World,
  { pair, incident, segment: named }: Lesson,
  signal: AbortSignal,
): Promise<Check> {
  const { environment, artifact, bad, good } = pair;
  const id = newId<string>(world, "chk");
  const made = (acceptance: Acceptance, name: string, runs: readonly CheckEvidence[]): Check => ({
    ...{ id, incident: incident ?? "", service: artifact, ...acceptance, runs },
    command: ["lastgood", "checks", "run", `${artifact}:VERSION`, name],
    ...{ badRevision: `${artifact}:${bad}`, goodRevision: `${artifact}:${good}` },
  });
  const refuse = (because: string, name = "NAME") => made({ accepted: false, because }, name, []);

  const there = incident === null ? null : await works.learned(artifact, incident);
  if (there !== null) {
    // R3.
    const { runs, acceptance } = await prove(there.check);
    const where = `${sayWhere(there.check, there.file)}, where it was already`;
    const because = `${acceptance.because}; ${where}`;
    if (acceptance.accepted) return made({ accepted: true, because }, there.check.name, runs);
  }
  const failing = await works.failingInputs({ environment, artifact, version: bad }, failuresMax);
  if (!failing.some(({ expected }) => expected !== null)) {
    return refuse(sayNoTruth(pair, failing.length));
  }
  const evaluator = await works.comparedBy(artifact);
  if (evaluator === null) {
    return refuse(
      `lastgood.yaml does not say how a release of ${artifact} is asked: set gate.${artifact}.run`,
    );
  }
  const recent = await works.recentInputs(artifact, workMax);
  const work = recent.filter(({ version }) => version === bad);
  const segment = segmentOf(failing, work, named);
  const left = leaveOut(failing, await works.droppedOf(artifact));
  const tried = casesOf(left.failing, segment, evaluator);
  const name = checkNameFor(artifact, segment, incident ?? id);
  const draft: BankCheck = {
    ...{ name, artifact, bank: "checks", incident, atLeast: 1, cases: tried },
    because: [sayWhy(pair, segment, incident), left.says].filter(Boolean).join("; "),
  };
  const [onGood, onBad] = [await once(good, draft), await once(bad, draft)];
  const check = { ...draft, ...tellingApart(tried, onGood, onBad) };
  if (check.cases.length === 0) {
    return refuse(
      `of ${tried.length} failures whose right answer is known, ${good} passes ${onGood.passed} and ${bad} fails ${tried.length - onBad.passed}, and none tells the two apart${left.says === "" ? "" : ` (${left.says})`}`,
      name,
    );
  }
  const { runs, acceptance } = await prove(check);
  if (!acceptance.accepted) return made(acceptance, name, runs);
  try {
    const { file } = await works.add(check);
    const because = [acceptance.because, sayWhere(check, file), left.says]
      .filter(Boolean)
      .join("; ");
    return made({ accepted: true, because }, name, runs);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return made({ accepted: false, because: error.message }, name, runs);
  }

  async function once(version: string, tryOut: BankCheck): Promise<CheckResult> {
    const [result] = (await works.tryChecks({ artifact, version }, [tryOut], signal)) ?? [];
    if (result !== undefined) return result;
    throw new Error(
      `the check ${tryOut.name} was run on ${artifact}:${version}, and nothing came of it`,
    );
  }

  /** R1. */
  async function prove(proven: BankCheck) {
    const onceMore = async (version: string) =>
      evidenceOf(`${artifact}:${version}`, world.now(), await once(version, proven));
    const [greens, reds]: [Run[], Run[]] = [[], []];
    do greens.push(await onceMore(good));
    while (greens.length < runsMax && !shows(greens, "good", knownBy(greens)));
    // How often it fails on what is good is known from those runs, and from nothing else.
    const known = knownBy(greens);
    do reds.push(await onceMore(bad));
    while (reds.length < runsMax && !shows(reds, "bad", known));
    return { runs: [...reds, ...greens], acceptance: accept(reds, greens, known) };
  }
}

function knownBy(greens: readonly Run[]) {
  const count = (wanted: Run["outcome"]) =>
    greens.filter(({ outcome }) => outcome === wanted).length;
  return { good: count("good"), bad: count("bad") };
}

function evidenceOf(revision: string, startedAt: Date, result: CheckResult): Run {
  const { outcome, says, results } = result;
  const colour = { passed: "good", failed: "bad", "cannot-tell": "cannot-tell" } as const;
  const lines = results.map((each) => `${each.outcome}  ${each.case}: ${each.says}`);
  return {
    ...{ revision, outcome: colour[outcome], exitCode: null, startedAt: startedAt.toISOString() },
    tookMs: Math.round(results.reduce((sum, each) => sum + each.tookMs, 0)),
    output: [says, ...lines].join("\n").slice(0, outputMax),
  };
}

function sayWhere({ cases }: BankCheck, file: string): string {
  return `${cases.length} cases in ${file} of the bank`;
}

function sayNoTruth({ artifact, bad }: ReleasePair, failing: number): string {
  return failing === 0
    ? `nothing that failed under ${artifact}:${bad} is recorded with its input: keep inputs with gateway.record, or as \`input\` of executions`
    : `of ${failing} failures under ${artifact}:${bad} nobody has told the right answer yet: tell outcomes with \`expected\``;
}

function sayWhy(
  { artifact, bad, good }: ReleasePair,
  segment: string | null,
  incident: string | null,
) {
  const where = segment === null ? "" : `, all of ${segment}`;
  const when = incident === null ? "" : ` in ${incident}`;
  return `${artifact}:${bad} failed these${where}${when}, and ${good} does not: each with the answer that turned out to be right`;
}
