/**
 * What the gate decides of a candidate. Pure.
 *
 *   G1. What it cannot tell it does not let through: an empty bank, a file that is no check, an evaluator that is
 *       not believed, a candidate that could not be asked.
 *   G2. A check that the live release fails too holds nobody back; that it does is said.
 *   G3. Worse than the live release on adversarial checks freezes: nothing moves, and a person is called. It is worse
 *       by any case that it fails and the live release passes, whatever that one fails besides.
 */
import type {
  CaseResult,
  CheckResult,
  FaultyCheck,
  GateFailure,
  GateKind,
  GateScore,
  ShadowResult,
} from "@lastgood/sdk";

export interface GateVerdict {
  readonly kind: GateKind;
  /** What decided it comes first. */
  readonly because: string;
  readonly scores: readonly GateScore[];
  readonly failed: readonly GateFailure[];
}

export interface Evidence {
  readonly candidate: string;
  /** Null: nothing is pinned yet. */
  readonly live: string | null;
  readonly emptyBank: "refuse" | "allow";
  readonly faulty: readonly FaultyCheck[];
  /** With every case. */
  readonly checks: readonly CheckResult[];
  /** The live release's own results of what the candidate did not pass, by check, with every case. */
  readonly liveChecks: ReadonlyMap<string, CheckResult>;
  /** Null: none was asked for. */
  readonly shadow: ShadowOutcome | null;
}

export type ShadowOutcome =
  | { readonly kind: "compared"; readonly result: ShadowResult }
  /** Nothing could be compared, and why. `blocks`: the candidate must not pass because of it. */
  | { readonly kind: "nothing"; readonly says: string; readonly blocks: boolean };

interface Finding {
  readonly weight: GateKind;
  readonly says: string;
  readonly failure: GateFailure | null;
}

export function decide(evidence: Evidence): GateVerdict {
  const findings = [
    ...bankFindings(evidence),
    ...evidence.checks.flatMap((result) => checkFindings(result, evidence)),
    ...shadowFindings(evidence),
  ];
  const kind = gravest(findings.map(({ weight }) => weight));
  const decisive = findings.filter(({ weight }) => weight === kind);
  const rest = findings.filter(({ weight }) => weight !== kind);
  const said = [...decisive, ...rest].map(({ says }) => says);
  return {
    kind,
    because: sayAll(kind === "promote" ? [passed(evidence), ...said] : said),
    scores: scoresOf(evidence),
    failed: findings.flatMap(({ failure }) => failure ?? []).slice(0, failuresMax),
  };
}

const failuresMax = 200;
const saidMax = 12;
const order: readonly GateKind[] = ["promote", "refuse", "freeze"];

function gravest(kinds: readonly GateKind[]): GateKind {
  return kinds.reduce<GateKind>(
    (worst, each) => (order.indexOf(each) > order.indexOf(worst) ? each : worst),
    "promote",
  );
}

function sayAll(said: readonly string[]): string {
  const more = said.length > saidMax ? [`and ${said.length - saidMax} more`] : [];
  return [...said.slice(0, saidMax), ...more].join("; ");
}

function passed({ candidate, live, checks, shadow }: Evidence): string {
  const against = live === null ? "" : ` against ${live}`;
  const bank = `${checks.filter(({ outcome }) => outcome === "passed").length} of ${checks.length} checks passed`;
  const compared =
    shadow?.kind === "compared" ? `, not worse on ${shadow.result.inputs} shadowed inputs` : "";
  return `${candidate}${against}: ${bank}${compared}`;
}

/** G1. */
function bankFindings({ checks, faulty, emptyBank }: Evidence): readonly Finding[] {
  const unread = faulty.map(({ file, says }) => ({
    weight: "refuse" as const,
    says: `${file} of the bank is no check (${says}): mend it, or take it out`,
    failure: { check: file, bank: "checks" as const, why: says },
  }));
  if (checks.length > 0) return unread;
  const says =
    emptyBank === "allow"
      ? "the bank is empty: no check is about it, and `emptyBank: allow` lets it through all the same"
      : "the bank is empty, so no check says anything of it: add some with `lastgood checks add`, or set `emptyBank: allow` for it in lastgood.yaml";
  return [
    ...unread,
    {
      weight: emptyBank === "allow" ? ("promote" as const) : ("refuse" as const),
      says,
      failure: null,
    },
  ];
}

function checkFindings(result: CheckResult, { live, liveChecks }: Evidence): readonly Finding[] {
  const { check, bank, outcome, says } = result;
  if (outcome === "passed") return [];
  const failure = { check, bank, why: says };
  if (outcome === "cannot-tell") {
    return [{ weight: "refuse", says: `the check ${check} tells nothing: ${says}`, failure }];
  }
  const before = liveChecks.get(check);
  if (before?.outcome === "passed") {
    const weight = bank === "adversarial" ? "freeze" : "refuse";
    return [{ weight, says: `${named(result)} fails, which ${live} passes: ${says}`, failure }];
  }
  const worse = bank === "adversarial" && before ? adversarialFinding(result, before, live) : null;
  if (worse !== null) return [{ ...worse, failure }];
  if (before?.outcome === "failed") {
    const too = `${named(result)} fails, as it does with ${live} (${before.passed} of ${before.cases} cases)`;
    return [{ weight: "promote", says: `${too}: it holds nobody back`, failure }];
  }
  // Without a live release there is nothing that it could be worse than.
  return [{ weight: "refuse", says: `${named(result)} fails: ${says}`, failure }];
}

/** G3, where the live release does not pass the whole of it either. Null: it passes no case that is in question. */
function adversarialFinding(
  result: CheckResult,
  before: CheckResult,
  live: string | null,
): Pick<Finding, "weight" | "says"> | null {
  const passing = before.results.filter(({ outcome }) => outcome === "pass");
  const passedLive = new Set(passing.map((each) => each.case));
  const lost = (outcome: CaseResult["outcome"]) =>
    result.results.filter((each) => each.outcome === outcome && passedLive.has(each.case));
  const [failed, open] = [lost("fail"), lost("cannot-tell")];
  const fails = `${named(result)} fails, and`;
  const [first] = failed;
  if (first !== undefined) {
    const says = `${fails} ${failed.length} of its ${result.cases} cases that ${live} passes, such as ${first.case}: ${first.says}`;
    return { weight: "freeze", says };
  }
  if (open.length === 0) return null;
  const says = `${fails} of ${open.length} of its ${result.cases} cases that ${live} passes it could not be told: ${open[0]?.says}`;
  return { weight: "refuse", says };
}

function named({ bank, check }: CheckResult): string {
  return bank === "adversarial" ? `the adversarial check ${check}` : `the check ${check}`;
}

function shadowFindings({ shadow, live, candidate }: Evidence): readonly Finding[] {
  if (shadow === null) return [];
  if (shadow.kind === "nothing") {
    const weight = shadow.blocks ? ("refuse" as const) : ("promote" as const);
    const failure = shadow.blocks
      ? { check: "shadow", bank: "shadow" as const, why: shadow.says }
      : null;
    return [{ weight, says: shadow.says, failure }];
  }
  const { paired, worse } = shadow.result;
  const bad = paired.filter((each) => each.worse);
  const [example] = worse;
  const such = example === undefined ? "" : `, such as ${example.key}: ${example.why}`;
  const told = bad.map((each, index): Finding => {
    const says = `worse in shadow (${each.of}): ${share(each.candidate)} of ${each.inputs} inputs, where ${live} has ${share(each.live)}${index === 0 ? such : ""}`;
    return { weight: "refuse", says, failure: { check: each.of, bank: "shadow", why: says } };
  });
  if (paired.some(({ of }) => of === "right")) return told;
  const unjudged = `how good the answers of ${candidate} are was not compared: too few of the shadowed inputs have a right answer that is known`;
  return [...told, { weight: "promote", says: unjudged, failure: null }];
}

function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

function scoresOf({ checks, shadow }: Evidence): readonly GateScore[] {
  const banks = (["checks", "adversarial"] as const).flatMap((bank) => {
    const own = checks.filter((each) => each.bank === bank);
    if (own.length === 0) return [];
    const value = own.filter(({ outcome }) => outcome === "passed").length / own.length;
    return [{ name: `gate.${bank}`, value }];
  });
  if (shadow?.kind !== "compared") return banks;
  const { paired, inputs, same } = shadow.result;
  const whole = paired.filter(({ of }) => !of.includes(":"));
  return [
    ...banks,
    { name: "gate.shadow.inputs", value: inputs },
    { name: "gate.shadow.same", value: inputs === 0 ? 0 : same / inputs },
    ...whole.flatMap(({ of, candidate, live }) => [
      { name: `gate.shadow.${of}`, value: candidate },
      { name: `gate.shadow.${of}.live`, value: live },
    ]),
  ];
}
