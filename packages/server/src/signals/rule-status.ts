import type { RuleStatus } from "@lastgood/sdk";
import { busiestOf, busiestShown } from "./left-out.ts";
import type { RuleEngine, Watch } from "./rule-engine.ts";
import { judgementsOf } from "./rule-judge.ts";
import { sayFloorOrigin, sayVerdict, shownEvidence } from "./saying.ts";
import type { VerdictDesk } from "./verdict-desk.ts";

/** A rule as the API shows it: its verdict with every figure behind it. */
export function statusOf(watch: Watch, engine: RuleEngine, desk: VerdictDesk): RuleStatus {
  const { rule, state } = watch;
  const [whole, ...segments] = judgementsOf(state, rule);
  if (whole === undefined) throw new Error(`the rule ${rule.name} has no judgement`);
  const said = desk.said(rule.name, null);
  const verdict = said?.kind ?? "insufficient";
  const isSilent = state.lastAt !== 0 && engine.isSilent(watch);
  const announcement = said?.suppressedBy ?? null;
  return {
    rule: rule.name,
    service: rule.service,
    signal: rule.signal,
    implied: rule.implied,
    detector: rule.judge.kind === "hard" ? "hard" : rule.judge.settings.kind,
    customerFacing: rule.customerFacing,
    verdict,
    says: isSilent
      ? `${rule.service} ${rule.signal}: no sample since ${new Date(state.lastAt).toISOString()}.`
      : sayVerdict(rule, verdict, whole),
    since: said?.since.toISOString() ?? null,
    onset: whole.onset === null ? null : new Date(whole.onset).toISOString(),
    floor: whole.floor,
    floorFrom: sayFloorOrigin(whole.origin, rule),
    level: whole.level,
    evidence: shownEvidence(whole.logEvidence),
    threshold: shownEvidence(whole.logThreshold),
    samples: whole.samples,
    failingKeys: whole.failingKeys,
    lastSampleAt: state.lastAt === 0 ? null : new Date(state.lastAt).toISOString(),
    suppressedBy:
      announcement === null
        ? null
        : `${announcement.by} announced ${announcement.signal} ${announcement.direction} to ${announcement.bound} until ${announcement.until}`,
    segments: segments.map((segment) => ({
      dimension: segment.dimension ?? "",
      verdict: desk.said(rule.name, segment.dimension)?.kind ?? "insufficient",
      floor: segment.floor,
      level: segment.level,
      evidence: shownEvidence(segment.logEvidence),
      samples: segment.samples,
    })),
    leftOut: { samples: state.leftOut.samples, busiest: busiestOf(state.leftOut, busiestShown) },
  };
}
