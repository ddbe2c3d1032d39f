/** Which in-flight policy suits an artifact, by what those who use it do to the outside world. Pure. */
import type { EffectNature, InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Artifact } from "./release.ts";

/** How many effects of each nature its consumers had lately. */
export type EffectsSeen = Readonly<Partial<Record<EffectNature, number>>>;

export interface Proposal {
  readonly policy: InFlightPolicy;
  readonly because: string;
}

/** Irreversible effects are never cancelled nor continued under other rules; every effect has its key. */
export function proposePolicy(seen: EffectsSeen, agents: readonly string[]): Proposal {
  if (agents.length === 0) {
    return { policy: "switch", because: "nobody is known yet that uses it and acts outside" };
  }
  const who = agents.length === 1 ? agents[0] : `${agents.length} agents`;
  const { irreversible = 0, compensable = 0, reversible = 0 } = seen;
  if (irreversible > 0) {
    return {
      policy: "finish-old",
      because: `${who} that use it had ${irreversible} irreversible effects lately`,
    };
  }
  if (compensable + reversible > 0) {
    return {
      policy: "cancel-retry",
      because: `the ${compensable + reversible} effects of ${who} that use it lately have keys, and none was irreversible`,
    };
  }
  return { policy: "switch", because: `${who} that use it had no effect outside lately` };
}

export function policyMissing(
  { name }: Pick<Artifact, "name">,
  { policy, because }: Proposal,
): Fault {
  return new Fault(
    "policy_missing",
    `${name} has no in-flight policy: it is not said what happens to work that was begun under another release. Proposed: ${policy} (${because}). Repeat with \`--in-flight ${policy}\`, or with finish-old, switch or cancel-retry.`,
    { context: { artifact: name, proposed: policy, because } },
  );
}
