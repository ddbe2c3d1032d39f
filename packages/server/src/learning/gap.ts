/**
 * Where a fault got through, as far as the records show it. Pure.
 *
 *   G1. What was proven comes first: a check that is red on the bad one and green on the good one was missing.
 *   G2. Otherwise the first stage that could not have seen it, because it did not look there. What the records do
 *       not show is not guessed: a person names it.
 */
import type { Check, GateRun, PinShare, PostMortem } from "@lastgood/sdk";
import { formatDuration } from "../duration.ts";

/** How Lastgood names itself where it acts by itself. */
export const ownName = "lastgood";
export const unanswered = "unanswered";

/** A release's way to those who use it, until it was noticed that it is worse. */
export interface Passage {
  /** `support-router:14`. */
  readonly release: string;
  /** In which it was worse: `style=capitals`. Null: in all. */
  readonly segment: string | null;
  /** What the gate made of it last; null: it was never asked. */
  readonly judged: Pick<GateRun, "id" | "verdict" | "shadow"> | null;
  readonly served: readonly ServedStep[];
}

export interface ServedStep {
  readonly percent: number;
  readonly ms: number;
}

type Questions = PostMortem["questions"];

/** From so much on a release serves everybody but a holdback. */
const everybody = 90;

/** What part of all it served, and for how long, the last time before it was noticed. Pins oldest first. */
export function servedOf(
  pins: readonly { readonly at: Date; readonly shares: readonly PinShare[] }[],
  version: string,
  noticedAt: Date,
): readonly ServedStep[] {
  const steps: { percent: number; from: number }[] = [];
  for (const { at, shares } of pins.filter((pin) => pin.at <= noticedAt)) {
    const total = shares.reduce((sum, { share }) => sum + share, 0);
    const own = shares.find((each) => each.version === version)?.share ?? 0;
    const percent = total === 0 ? 0 : (100 * own) / total;
    if (percent === 0) steps.length = 0;
    else if (steps.at(-1)?.percent !== percent) steps.push({ percent, from: at.getTime() });
  }
  return steps.map(({ percent, from }, index) => {
    const until = steps[index + 1]?.from ?? noticedAt.getTime();
    return { percent, ms: until - from };
  });
}

/** `passage`: null where it was no release. */
export function gapOf(check: Check | null, passage: Passage | null): PostMortem["gap"] {
  if (check?.accepted === true) {
    const because = `\`${check.command.join(" ")}\` is red on the bad one and green on the good one: nothing of the kind was run before the change went live`;
    return { is: "check-bank", because, by: ownName };
  }
  const shown = passage === null ? null : (shadowGap(passage) ?? canaryGap(passage));
  if (shown !== null) return { ...shown, by: ownName };
  const because =
    check === null
      ? "no service that failed declares a sandbox with a check, and the records do not show where it got through"
      : `its check was not accepted (${check.because}), and the records do not show where it got through`;
  return { is: "unnamed", because, by: null };
}

type Shown = Pick<PostMortem["gap"], "is" | "because">;

/** G2: the shadow window held nothing in which it could have shown. */
function shadowGap({ judged, segment }: Passage): Shown | null {
  if (judged === null) return null;
  const { id, shadow } = judged;
  if (shadow === null || shadow.inputs === 0) {
    return { is: "shadow-window", because: `nothing was compared in shadow (${id})` };
  }
  if (segment === null || shadow.paired.some(({ of }) => of.endsWith(`: ${segment}`))) return null;
  const because = `of ${shadow.inputs} inputs in shadow too few were of ${segment} to compare anything (${id})`;
  return { is: "shadow-window", because };
}

/** G2: it served everybody before it was noticed. */
function canaryGap({ judged, served, release }: Passage): Shown | null {
  if ((served.at(-1)?.percent ?? 0) < everybody) return null;
  const gate = judged === null ? `; no gate run judged it` : "";
  return { is: "canary", because: `${release} ${sayServed(served)}${gate}` };
}

/** What the records say to the three questions, and who says it. */
export function questionsOf(passage: Passage | null): {
  readonly answers: Questions;
  readonly answeredBy: PostMortem["answeredBy"];
} {
  const [live, checks] = passage === null ? [null, null] : [liveOf(passage), checksOf(passage)];
  const by = (answer: string | null) => (answer === null ? null : ownName);
  return {
    answers: {
      whyNotCaughtLive: live ?? unanswered,
      whyChecksPassed: checks ?? unanswered,
      wrongIncompleteOrMiscommunicated: unanswered,
    },
    answeredBy: {
      whyNotCaughtLive: by(live),
      whyChecksPassed: by(checks),
      wrongIncompleteOrMiscommunicated: null,
    },
  };
}

function liveOf({ served }: Passage): string | null {
  const last = served.at(-1);
  if (last === undefined) return null;
  return last.percent < everybody
    ? `the canary caught it: it ${sayServed(served)}`
    : `it ${sayServed(served)}`;
}

function checksOf({ judged, release }: Passage): string {
  if (judged?.verdict == null)
    return `none was run: no gate run judged ${release} before it served`;
  const { kind, because } = judged.verdict;
  const did =
    kind === "promote" ? "let it through" : `said ${kind}, and it was pinned all the same`;
  return `${judged.id} ${did}: ${because}`;
}

function sayServed(served: readonly ServedStep[]): string {
  const last = served.at(-1) ?? { percent: 0, ms: 0 };
  const all = (percent: number) => (percent >= everybody ? "all" : `${round(percent)} %`);
  const noticed = `noticed ${roughly(last.ms)} after that`;
  const before = served.slice(0, -1).map(({ percent, ms }) => `${all(percent)} for ${roughly(ms)}`);
  if (before.length > 0)
    return `served ${before.join(", then ")}, then ${all(last.percent)}; ${noticed}`;
  return last.percent >= everybody
    ? `was pinned for all at once; ${noticed}`
    : `served ${all(last.percent)}; ${noticed}`;
}

function round(percent: number): number {
  return Number(percent.toPrecision(3));
}

function roughly(ms: number): string {
  const unit = ms < 1_000 ? 1 : ms < 60_000 ? 1_000 : ms < 3_600_000 ? 60_000 : 3_600_000;
  return formatDuration(Math.round(ms / unit) * unit);
}
