/**
 * How far a dial is turned, and when it goes on. Pure.
 *
 *   T1. A ramp only rises, and ends at 100. It may begin with 0: started beside the other, serving nobody.
 *   T2. The way back is the same kind of ramp, in percents of the release before; what that serves already is
 *       skipped.
 */
import type { PinShare, RampPlan, RampStep } from "@lastgood/sdk";
import { Fault } from "../fault.ts";

/** T1. */
export function requireRamp(percents: readonly number[]): readonly number[] {
  const rises = percents.every(
    (each, index) =>
      Number.isInteger(each) &&
      each <= 100 &&
      (index === 0 ? each >= 0 : each > (percents[index - 1] ?? 0)),
  );
  if (rises && percents.at(-1) === 100 && percents.length <= 20) return percents;
  throw new Fault(
    "bad_input",
    `${percents.join(", ") || "nothing"} is no ramp: write whole percents that rise and end at 100, such as 1, 10, 50, 100; a first 0 starts the candidate without serving anybody.`,
    { context: { path: "ramp" } },
  );
}

export function stepsOf(percents: readonly number[], holdMs: number): readonly RampStep[] {
  return requireRamp(percents).map((percent) => ({ percent, holdMs }));
}

/** The step after `step`; null after the last one. */
export function stepAfter({ ramp }: Pick<RampPlan, "ramp">, step: number): RampStep | null {
  return ramp[step + 1] ?? null;
}

/** T2. */
export function nextBack(
  { reverse }: Pick<RampPlan, "reverse">,
  percent: number,
  now: boolean,
): RampStep {
  const all = { percent: 100, holdMs: 0 };
  if (now) return all;
  return reverse.find((each) => each.percent > percent) ?? all;
}

/** How long the share that was reached last on the way back is held. */
export function holdBackMs({ reverse }: Pick<RampPlan, "reverse">, percent: number): number {
  return reverse.find((each) => each.percent === percent)?.holdMs ?? 0;
}

/** What both have of the keys. `last` stands last: raising its share moves no key that it has. */
export function sharesOf(first: string, last: string, percentOfLast: number): readonly PinShare[] {
  const shares = [
    { version: first, share: 100 - percentOfLast },
    { version: last, share: percentOfLast },
  ];
  return shares.filter(({ share }) => share > 0);
}
