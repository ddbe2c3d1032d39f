/**
 * The rules in force: those of lastgood.yaml, and those that follow from the declared probes, so that a
 * configuration with probes needs no rules of its own.
 */
import type { Config, RuleConfig, ServiceConfig } from "../config/config.ts";
import type { DetectorSettings } from "./detector.ts";
import { type Good, probeSignals, type Sample } from "./sample.ts";

export interface Rule {
  readonly name: string;
  readonly service: string;
  readonly signal: string;
  readonly implied: boolean;
  readonly customerFacing: boolean;
  readonly severity: RuleConfig["severity"];
  readonly good: Good | null;
  /** The signal whose measured values tell whether it is back at its baseline; null: it has none. */
  readonly measure: string | null;
  readonly dimensions: readonly string[];
  readonly judge:
    | { readonly kind: "hard"; readonly inARow: number }
    | { readonly kind: "statistics"; readonly settings: DetectorSettings };
  /** How many statistical rules of the service share its budget of false alarms, this one included. */
  readonly guardrails: number;
  /** State kept under another fingerprint belongs to a rule that asked for something else. */
  readonly fingerprint: string;
}

const impliedStatistics = {
  delta: 0.02,
  alpha: 0.05,
  sustainMs: 2_000,
  minSamples: 20,
  fixWithinMs: 0,
  falseAlarmDays: 90,
} as const;

const inARowDefault = 3;

/** All rules of a configuration, by name. A rule of lastgood.yaml stands before an implied one of its name. */
export function rulesOf(config: Config): ReadonlyMap<string, Rule> {
  const rules = new Map<string, Rule>();
  for (const [name, rule] of Object.entries(config.rules)) rules.set(name, declared(name, rule));
  for (const [service, settings] of Object.entries(config.services)) {
    for (const rule of impliedBy(service, settings)) {
      const isDeclared = Object.values(config.rules).some(
        (each) => each.service === service && each.signal === rule.signal,
      );
      if (!rules.has(rule.name) && !isDeclared) rules.set(rule.name, rule);
    }
  }
  const shares = new Map<string, number>();
  for (const { service, judge } of rules.values()) {
    if (judge.kind === "statistics") shares.set(service, (shares.get(service) ?? 0) + 1);
  }
  return new Map(
    [...rules].map(([name, rule]) => [
      name,
      { ...rule, guardrails: shares.get(rule.service) ?? 1 },
    ]),
  );
}

function declared(name: string, rule: RuleConfig): Rule {
  const judge: Rule["judge"] =
    rule.detector === "hard"
      ? { kind: "hard", inARow: rule.inARow }
      : {
          kind: "statistics",
          settings: {
            kind: rule.detector,
            objective: rule.objective ?? null,
            delta: rule.delta,
            alpha: rule.alpha,
            sustainMs: rule.sustain,
            minSamples: rule.minSamples,
            fixWithinMs: rule.fixWithin,
            falseAlarmDays: falseAlarmDays(rule.falseAlarms),
          },
        };
  return finished({
    name,
    service: rule.service,
    signal: rule.signal,
    implied: false,
    customerFacing: rule.kind === "customer-facing",
    severity: rule.severity,
    good: rule.good ?? null,
    measure: rule.good === undefined ? null : rule.signal,
    dimensions: rule.dimensions,
    judge,
  });
}

/**
 * A probe with an slo is judged by statistics. A probe without one, and the probe named `health`, is a
 * health probe: not ok three times in a row alarms.
 */
function impliedBy(service: string, settings: ServiceConfig): readonly Rule[] {
  return Object.entries(settings.probes).flatMap(([probe, { slo }]) => {
    const signals = probeSignals(probe);
    const common = {
      service,
      implied: true,
      customerFacing: settings.customerFacing,
      severity: "high",
      good: null,
      dimensions: [],
    } as const;
    const rules: Rule[] = [];
    if (slo !== undefined) {
      rules.push(
        finished({
          ...common,
          name: `${service}.${probe}`,
          signal: signals.withinSlo,
          measure: signals.latency,
          judge: {
            kind: "statistics",
            settings: { kind: "late-onset", objective: null, ...impliedStatistics },
          },
        }),
      );
    }
    if (slo === undefined || probe === "health") {
      rules.push(
        finished({
          ...common,
          name: slo === undefined ? `${service}.${probe}` : `${service}.${probe}.up`,
          signal: signals.answered,
          measure: null,
          judge: { kind: "hard", inARow: inARowDefault },
        }),
      );
    }
    return rules;
  });
}

/** The rule that an exit or a violation of a declared service is judged by, where none is declared. */
export function hardRuleFor(
  { service, signal, hard }: Sample,
  { customerFacing }: ServiceConfig,
): Rule {
  return finished({
    name: `${service}.${signal}.${hard}`,
    service,
    signal,
    implied: true,
    customerFacing,
    severity: "high",
    good: null,
    measure: null,
    dimensions: [],
    judge: { kind: "hard", inARow: hard === "violation" ? 1 : inARowDefault },
  });
}

function finished(rule: Omit<Rule, "guardrails" | "fingerprint">): Rule {
  const { service, signal, good, dimensions, judge } = rule;
  const kept =
    judge.kind === "hard"
      ? judge
      : { kind: judge.settings.kind, objective: judge.settings.objective };
  return {
    ...rule,
    guardrails: 1,
    fingerprint: JSON.stringify([service, signal, good, dimensions, kept]),
  };
}

/** `1 per 90 days` is 90 days for each. */
export function falseAlarmDays(text: string): number {
  const match = /^(\d+) per (\d+) days?$/.exec(text);
  return Number(match?.[2] ?? 90) / Math.max(1, Number(match?.[1] ?? 1));
}
