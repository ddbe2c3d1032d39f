/** Gives the same inputs to candidate and live release, and puts what they made of them side by side. */
import type { ShadowResult } from "@lastgood/sdk";
import { isForeign, needsExpected } from "../checks/check.ts";
import type { Evaluators } from "../checks/evaluators.ts";
import { inParallel } from "../checks/in-parallel.ts";
import { isSame } from "../checks/plain-evaluators.ts";
import type { Answer, Answers } from "../checks/run-checks.ts";
import type { GateSettings } from "../config/gate-settings.ts";
import type { Json } from "../json/canonical.ts";
import type { ShadowOutcome } from "./gate.ts";
import type { SeenInput } from "./neighbours.ts";
import { type Pair, pairedScores } from "./shadow.ts";
import { withoutTools } from "./without-tools.ts";

export interface ShadowRun {
  readonly settings: GateSettings;
  readonly source: ShadowResult["source"];
  readonly inputs: readonly SeenInput[];
  readonly live: { readonly version: string; readonly answers: Answers };
  readonly candidate: Answers;
  readonly evaluators: Evaluators;
  /** Called after each input. */
  readonly progress: (says: string) => void;
  readonly signal: AbortSignal;
}

const worseKept = 50;

/** What came of one input. */
interface Seen {
  readonly key: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly live: Answer;
  readonly candidate: Answer;
  /** How good either is; null: nobody can tell. */
  readonly right: {
    readonly live: number;
    readonly candidate: number;
    readonly why: string;
  } | null;
}

export async function runShadow(run: ShadowRun): Promise<ShadowOutcome> {
  const { settings, inputs, source, progress } = run;
  const liar = await whyNotBelieved(run);
  if (liar !== null) return nothing(`the shadow compares nothing: ${liar}`, true);
  const seen = await inParallel(inputs, settings.run.parallel, async (input) => {
    const each = await see(run, input);
    progress(`shadow: ${input.key}`);
    return each;
  });
  const reached = seen.filter(
    ({ live, candidate }) => live.kind !== "unavailable" && candidate.kind !== "unavailable",
  );
  if (reached.length * 2 < inputs.length) {
    return nothing(`the releases could not be asked in shadow: ${whyNotReached(seen)}`, true);
  }
  if (
    reached.every(({ live, candidate }) => live.kind === "failed" && candidate.kind === "failed")
  ) {
    const [first] = reached;
    const why = first?.live.kind === "failed" ? first.live.says : "";
    return nothing(
      `neither release answers anything in shadow (${why}): see how they are asked`,
      true,
    );
  }
  const { shadow: strictness } = settings;
  const result: ShadowResult = {
    ...{ source, inputs: reached.length },
    same: reached.filter(isAlike).length,
    paired: [
      ...pairedScores("right", rightPairs(reached), strictness),
      ...pairedScores("answered", answeredPairs(reached), strictness),
    ],
    worse: worseOf(reached).slice(0, worseKept),
  };
  return { kind: "compared", result };
}

export function nothing(says: string, blocks: boolean): ShadowOutcome {
  return { kind: "nothing", says, blocks };
}

async function whyNotBelieved({ settings, inputs, evaluators, signal }: ShadowRun) {
  const { compare } = settings.shadow;
  const [first] = inputs;
  if (first === undefined || !isForeign(compare)) return null;
  const question = { input: first.input, expected: expectedOf(first) };
  return await evaluators.whyNotBelieved(compare, question, undefined, signal);
}

function expectedOf({ expected }: SeenInput): Json | undefined {
  return expected ?? undefined;
}

async function see(run: ShadowRun, input: SeenInput): Promise<Seen> {
  const { candidate, signal } = run;
  const [live, given] = await Promise.all([liveAnswer(run, input), candidate(input.input, signal)]);
  const { key, dimensions } = input;
  const right = await rightOf(run, input, live, given);
  return { ...{ key, live, right }, candidate: given, dimensions: dimensions ?? {} };
}

/** What was really answered counts, where it was this release that did, and without tools that it has not here. */
async function liveAnswer({ live, signal }: ShadowRun, seen: SeenInput): Promise<Answer> {
  const { version, input, output } = seen;
  const isKept = version === live.version && output !== null;
  if (isKept && isSame(withoutTools(input), input)) {
    // As every way of asking gives a text.
    return { kind: "answered", output: typeof output === "string" ? output.trim() : output };
  }
  return await live.answers(input, signal);
}

async function rightOf(
  { settings, evaluators, signal }: ShadowRun,
  seen: SeenInput,
  live: Answer,
  candidate: Answer,
): Promise<Seen["right"]> {
  const { compare } = settings.shadow;
  const expected = expectedOf(seen);
  if (expected === undefined && needsExpected(compare)) return null;
  const judge = async (answer: Answer) => {
    if (answer.kind !== "answered") return { score: 0, says: answer.says };
    const question = { input: seen.input, expected, output: answer.output };
    const judged = await evaluators.judge(compare, question, signal);
    return judged.outcome === "cannot-tell" ? null : judged;
  };
  const [before, now] = await Promise.all([judge(live), judge(candidate)]);
  return before === null || now === null
    ? null
    : { live: before.score, candidate: now.score, why: now.says };
}

function isAlike({ live, candidate }: Seen): boolean {
  const both = live.kind === "answered" && candidate.kind === "answered";
  return both && isSame(live.output, candidate.output);
}

function rightPairs(seen: readonly Seen[]): readonly Pair[] {
  return seen.flatMap(({ key, dimensions, right }) =>
    right === null ? [] : [{ key, dimensions, live: right.live, candidate: right.candidate }],
  );
}

function answeredPairs(seen: readonly Seen[]): readonly Pair[] {
  const answered = ({ kind }: Answer) => (kind === "answered" ? 1 : 0);
  return seen.map(({ key, dimensions, live, candidate }) => ({
    ...{ key, dimensions },
    live: answered(live),
    candidate: answered(candidate),
  }));
}

function worseOf(seen: readonly Seen[]): ShadowResult["worse"] {
  return seen.flatMap(({ key, right, live, candidate }) => {
    if (right !== null && right.candidate < right.live) return [{ key, why: right.why }];
    return candidate.kind === "failed" && live.kind === "answered"
      ? [{ key, why: `no answer: ${candidate.says}` }]
      : [];
  });
}

function whyNotReached(seen: readonly Seen[]): string {
  const answers = seen.flatMap(({ live, candidate }) => [live, candidate]);
  const away = answers.find(({ kind }) => kind === "unavailable");
  return away?.kind === "unavailable" ? away.says : "nothing answered";
}
