/**
 * What a drill of the way back has proven, of what was seen of it. Pure.
 *
 *   W1. What was not seen was not proven: that something starts is not that it is well, and silence is no signal.
 *   W2. What was worse at any moment of it counts, though all is well since.
 */
import type { GateFinding, ReverseDrill } from "@lastgood/sdk";
import type { ReleaseVerdict } from "./neighbours.ts";

export type Proof = ReverseDrill["proofs"][number];

/** What the house's own rules say of the services that use the artifact. */
export interface RulesSeen {
  /** `heardAt`: its last sample; null: it never heard one. */
  readonly well: readonly { readonly rule: string; readonly heardAt: string | null }[];
  readonly bad: readonly string[];
}

/** Of the rules that are in force, those of the services that use the artifact. */
export function rulesSeen(
  rules: readonly {
    readonly rule: string;
    readonly service: string;
    readonly verdict: string;
    readonly lastSampleAt: string | null;
  }[],
  services: readonly string[],
): RulesSeen {
  const own = rules.filter(({ service }) => services.includes(service));
  return {
    well: own
      .filter(({ verdict }) => verdict === "hold")
      .map(({ rule, lastSampleAt }) => ({ rule, heardAt: lastSampleAt })),
    bad: own
      .filter(({ verdict }) => isBad(verdict))
      .map(({ rule, verdict }) => `${rule} says ${verdict}`),
  };
}

/** Something that looks worse: what it is, whatever its figures are by now, and how it is said. */
export interface Worse {
  readonly what: string;
  readonly says: string;
}

/** All that looks worse now. */
export function worseNow(verdict: ReleaseVerdict | null, { bad }: RulesSeen): readonly Worse[] {
  const judged =
    verdict !== null && isBad(verdict.kind)
      ? [{ what: verdict.kind, says: sayVerdict(verdict) }]
      : [];
  return [...judged, ...bad.map((says) => ({ what: says, says }))];
}

function isBad(verdict: string): boolean {
  return verdict === "regression" || verdict === "drift";
}

export function sayVerdict({ kind, says }: Pick<ReleaseVerdict, "kind" | "says">): string {
  return kind === says ? kind : `${kind}: ${says}`;
}

/** What the reverse gate found of the release before; `why` tells where it let nothing through. */
export function proofOfPrior(
  { artifact, candidate }: { readonly artifact: string; readonly candidate: string },
  { passed, findings, says, why }: GateSeen,
): Proof {
  const what = `${candidate} is reachable and well`;
  if (!passed) return { what, holds: false, seen: why };
  const asked = findings.filter((each) => each.what === "health" || each.what === "smoke");
  if (asked.length > 0) return { what, holds: asked.every(({ ok }) => ok), seen: says };
  const settings = `rollouts.${artifact}.probe`;
  const seen = findings.some((each) => each.what === "starts" && each.ok)
    ? `it starts; whether it is well was not asked: set ${settings}.health or ${settings}.smoke`
    : `only its digest was compared: set ${settings}.start, and ${settings}.health or ${settings}.smoke`;
  return { what, holds: false, seen };
}

export interface GateSeen {
  readonly passed: boolean;
  readonly findings: readonly GateFinding[];
  readonly says: string;
  readonly why: string;
}

export interface SignalsSeen {
  /** Since when a share is moved; null: none was. */
  readonly since: Date | null;
  /** Before it turned round; null: nothing judges it. */
  readonly verdict: Pick<ReleaseVerdict, "kind" | "says"> | null;
  readonly rules: RulesSeen;
  readonly worsened: readonly { readonly at: Date; readonly says: string }[];
}

export function proofOfSignals(
  artifact: string,
  { since, verdict, rules, worsened }: SignalsSeen,
): Proof {
  const what = "signals stayed hold";
  if (worsened.length > 0) {
    const seen = worsened.map(({ at, says }) => `${says} (at ${at.toISOString()})`).join("; ");
    return { what, holds: false, seen };
  }
  const heard = rules.well.filter(
    ({ heardAt }) => heardAt !== null && since !== null && new Date(heardAt) >= since,
  );
  const holding = [
    ...(verdict === null || verdict.kind === "insufficient" ? [] : [sayVerdict(verdict)]),
    ...few(heard.map(({ rule }) => `${rule} holds`)),
  ];
  const unseen = [
    ...(verdict?.kind === "insufficient" ? [`too little was seen of it (${verdict.says})`] : []),
    ...few(
      rules.well
        .filter((each) => !heard.includes(each))
        .map(({ rule }) => `${rule} heard no sample meanwhile`),
    ),
  ];
  const seen = [...holding, ...unseen].join("; ");
  if (holding.length > 0) return { what, holds: true, seen };
  return {
    ...{ what, holds: false },
    seen:
      unseen.length === 0
        ? `nothing watches it: set rollouts.${artifact}.guardrails, or a rule of a service that uses it`
        : `${seen}: nothing was proven; drill it for longer (--hold), or with more of the keys (--percent)`,
  };
}

const namedMax = 10;

function few(said: readonly string[]): readonly string[] {
  const more = said.length - namedMax;
  return more > 0 ? [...said.slice(0, namedMax), `and ${more} more`] : said;
}
