/** What a rule says, in one line for people, with the figures it says it from. */
import type { FloorOrigin } from "./baseline.ts";
import type { Rule } from "./rule.ts";
import type { DimensionJudgement } from "./rule-judge.ts";
import type { Verdict, VerdictKind } from "./verdict.ts";

const evidenceMax = 1e12;

/** exp of a logarithm, at most 1e12: beyond it the exact figure says nothing more. */
export function shownEvidence(log: number): number {
  return Math.min(evidenceMax, Math.exp(log));
}

export function sayVerdict(rule: Rule, kind: VerdictKind, judgement: DimensionJudgement): string {
  const where =
    judgement.dimension === null
      ? `${rule.service} ${rule.signal}`
      : `${rule.service} ${rule.signal} (${judgement.dimension})`;
  const { floor, level, samples, failingKeys } = judgement;
  switch (kind) {
    case "insufficient":
      return `${where}: too few samples to say (${samples}).`;
    case "hold":
      return judgement.graceUntil === null
        ? `${where}: holds at ${share(level)} over its floor of ${share(floor)}.`
        : `${where}: is worse, and has until ${new Date(judgement.graceUntil).toISOString()} to be mended.`;
    case "drift":
    case "regression": {
      const because =
        rule.judge.kind === "hard"
          ? `${failingKeys} hard ${failingKeys === 1 ? "failure" : "failures"} in a row`
          : `${share(level)} against a floor of ${share(floor)}, ${failingKeys} failing executions`;
      const since = judgement.onset === null ? "" : ` since ${isoOf(judgement.onset)}`;
      return kind === "drift"
        ? `${where}: drifted${since} without any recent change: ${because}.`
        : `${where}: regressed${since}: ${because}.`;
    }
  }
}

export function sayFloorOrigin(origin: FloorOrigin, rule: Rule): string {
  if (rule.judge.kind === "hard") return `hard: ${rule.judge.inARow} in a row`;
  switch (origin.kind) {
    case "objective":
      return "the objective in lastgood.yaml";
    case "measured":
      return `measured: mean ${share(origin.mean)} of ${origin.samples} samples, less its margin`;
    case "provisional":
      return `provisional: mean ${share(origin.mean)} of ${origin.samples} samples, less a wide margin`;
    case "none":
      return `not measured yet: ${origin.samples} of 20 samples`;
  }
}

function isoOf(at: number): string {
  return new Date(at).toISOString();
}

function share(value: number | null): string {
  return value === null ? "an unknown level" : `${(value * 100).toFixed(1)} %`;
}

/** What is said of a rule (or of one of its segments), as the rest of the house reads it. */
export function verdictOf(rule: Rule, kind: VerdictKind, judgement: DimensionJudgement): Verdict {
  const bad = kind === "regression" || kind === "drift";
  return {
    rule: rule.name,
    service: rule.service,
    signal: rule.signal,
    kind,
    customerFacing: rule.customerFacing,
    severity: rule.severity,
    at: new Date(judgement.at),
    onset: bad && judgement.onset !== null ? new Date(judgement.onset) : null,
    evidence: shownEvidence(judgement.logEvidence),
    floor: judgement.floor ?? 0,
    level: judgement.level ?? 0,
    samples: judgement.samples,
    failingKeys: judgement.failingKeys,
    hard: rule.judge.kind === "hard",
    dimension: judgement.dimension,
    says: sayVerdict(rule, kind, judgement),
  };
}
