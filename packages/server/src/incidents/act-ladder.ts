/**
 * From how sure triage is to what is done about it.
 *
 *     posterior   >= .99 and two witnesses   act        (alone, or a bundle that could not be split)
 *                 >= .80                     freeze     and call a person
 *                 below                      none       an incident, no more
 *
 * `judge` says which change is meant and how far up the ladder it stands; once a plan for it exists,
 * `permit` says what modes, caps, authority and the plan itself leave of that.
 */
import type { IncidentAct, Witness } from "@lastgood/sdk";
import type { Mode } from "../config/config.ts";
import type { ChangeId } from "../ids.ts";
import type { Assessment, Weighed } from "./suspects.ts";

export interface Thresholds {
  readonly actAt: number;
  readonly freezeAt: number;
}

export const witnessesNeeded = 2;

export interface Judgement {
  readonly rung: "act" | "freeze" | "none";
  readonly changes: readonly ChangeId[];
  /** Of `changes`, those more likely innocent than not: they go back only because they went out together. */
  readonly innocents: readonly ChangeId[];
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  readonly because: string;
}

/** Suspects that went out together and may be taken as one, with what speaks against them as a whole. */
export interface Bundle {
  readonly changes: readonly ChangeId[];
  readonly witnesses: readonly Witness[];
}

/** Which change did it, if any; a bundle is considered only when it is handed in (after `splitWithin`). */
export function judge(
  { suspects }: Assessment,
  bundles: readonly Bundle[],
  { actAt, freezeAt }: Thresholds,
): Judgement {
  const [top] = suspects;
  if (top === undefined) return nobody("nothing that could reach it went live before it began", 0);
  const single = judged([top], top.witnesses, { actAt, freezeAt }, []);
  if (single.rung === "act") return single;
  const wholes = bundles
    .filter(({ changes }) => changes.length > 1)
    .map(({ changes, witnesses }) => {
      const members = suspects.filter((each) => changes.includes(each.change));
      return judged(members, witnesses, { actAt, freezeAt }, likelyInnocent(members));
    })
    .sort((one, other) => other.posterior - one.posterior);
  const whole = wholes.find(({ rung }) => rung === "act") ?? wholes[0];
  if (whole?.rung === "act") return whole;
  if (single.rung === "freeze") return single;
  if (whole?.rung === "freeze") return whole;
  return nobody(
    `the likeliest suspect stands at ${percent(top.posterior)}, under the ${percent(freezeAt)} that would stop for a person`,
    top.posterior,
  );
}

function judged(
  members: readonly Weighed[],
  witnesses: readonly Witness[],
  { actAt, freezeAt }: Thresholds,
  innocents: readonly ChangeId[],
): Judgement {
  const posterior = members.reduce((sum, each) => sum + each.posterior, 0);
  const changes = members.map((each) => each.change);
  const common = { changes, innocents, posterior, witnesses };
  const heard = witnesses.length === 0 ? "no witness" : `witnesses: ${witnesses.join(", ")}`;
  const whom = changes.length === 1 ? "one change" : `${changes.length} changes deployed together`;
  if (posterior >= actAt && witnesses.length >= witnessesNeeded) {
    return { ...common, rung: "act", because: `${whom} at ${percent(posterior)}; ${heard}` };
  }
  if (posterior >= freezeAt) {
    const short =
      posterior >= actAt
        ? `${witnessesNeeded} distinct witnesses are needed`
        : `${percent(actAt)} is needed to act alone`;
    return {
      ...common,
      rung: "freeze",
      because: `${whom} at ${percent(posterior)}; ${heard}: ${short}`,
    };
  }
  return { ...common, rung: "none", because: `${whom} at ${percent(posterior)}` };
}

/** All but the likeliest, unless it is more likely guilty than not by itself. */
function likelyInnocent(members: readonly Weighed[]): readonly ChangeId[] {
  return members
    .filter((each, index) => index > 0 && each.posterior < 0.5)
    .map((each) => each.change);
}

function nobody(because: string, posterior: number): Judgement {
  return { rung: "none", changes: [], innocents: [], posterior, witnesses: [], because };
}

/** What the dial found not to be the cause is not blamed for looking like it. */
export function withoutAcquitted(judgement: Judgement, acquitted: readonly string[]): Judgement {
  if (!judgement.changes.some((change) => acquitted.includes(change))) return judgement;
  const because = "the likeliest suspect is a release that fell with what served before it";
  return nobody(because, judgement.posterior);
}

/** What the world says to a judgement, once there is a plan for it. */
export interface Circumstances {
  readonly mode: Mode;
  /** `lastgood freeze`: its reason. */
  readonly frozenBecause: string | null;
  /** Only indicators fail, no customer-facing rule. */
  readonly indicatorsOnly: boolean;
  /** No change is to blame: what is live got worse by itself, or with what served before it. */
  readonly drift: boolean;
  /** The suspects that a person decided on, as `who: what`. */
  readonly humanDecisions: readonly string[];
  /** Null: there is nothing to put back, or it could not be planned (`unplanned` says why). */
  readonly plan: { readonly reversible: boolean; readonly conflicts: readonly string[] } | null;
  readonly unplanned: string | null;
  readonly beyondAuthority: readonly string[];
  /** Automatic recoveries in the last day, and those in a row on this service without a person. */
  readonly recoveries: { readonly today: number; readonly inARow: number };
  readonly caps: { readonly recoveriesPerDay: number; readonly recoveriesInARow: number };
  readonly severity: "critical" | "high" | "low";
}

export interface Permit {
  readonly act: IncidentAct;
  readonly would: "run" | "freeze" | "none";
  /** Call a person now, and whether this is one of the cases that are always a person's. */
  readonly page: "always-a-person" | "now" | "no";
  readonly because: readonly string[];
}

/** What is done. Every reason that stands against acting alone is given, not only the first. */
export function permit(judgement: Judgement, given: Circumstances): Permit {
  const { rung, because } = judgement;
  if (given.drift) {
    return still(`it drifted, or fell with what served before it: ${because}`);
  }
  if (given.indicatorsOnly) return still("only indicators fail: they alone move nothing");
  if (rung === "none") return still(because);
  const persons = alwaysAPerson(given);
  const against = [...persons, ...othersAgainst(given)];
  const would = rung === "act" && against.length === 0 ? "run" : "freeze";
  const reasons = [because, ...against];
  const page = given.severity === "low" ? "no" : "now";
  if (persons.length > 0) {
    return { act: "freeze", would, page: "always-a-person", because: reasons };
  }
  if (given.frozenBecause !== null) {
    const frozen = `everything automatic is frozen: ${given.frozenBecause}`;
    return { act: "freeze", would, page, because: [...reasons, frozen] };
  }
  if (would === "freeze") return { act: "freeze", would, page, because: reasons };
  if (given.mode === "auto") return { act: "run", would, page: "no", because: reasons };
  return {
    act: given.mode,
    would,
    page,
    because: [...reasons, `the mode is ${given.mode}`],
  };
}

function still(because: string): Permit {
  return { act: "none", would: "none", page: "no", because: [because] };
}

function alwaysAPerson(given: Circumstances): readonly string[] {
  const { recoveries, caps, plan } = given;
  return [
    ...(plan !== null && !plan.reversible ? ["the plan has an irreversible loss"] : []),
    ...given.beyondAuthority.map((each) => `beyond authority: ${each}`),
    ...(recoveries.today >= caps.recoveriesPerDay
      ? [`the cap of ${caps.recoveriesPerDay} automatic recoveries a day is reached`]
      : []),
    ...(recoveries.inARow >= caps.recoveriesInARow
      ? [`the cap of ${caps.recoveriesInARow} automatic recoveries in a row here is reached`]
      : []),
  ];
}

function othersAgainst(given: Circumstances): readonly string[] {
  return [
    ...(given.plan?.conflicts ?? []).map((each) => `conflict: ${each}`),
    ...given.humanDecisions.map((each) => `a person decided it: ${each}`),
    ...(given.plan === null ? [given.unplanned ?? "nothing to put back was found"] : []),
  ];
}

/** 0.9931 as `99.3 %`; never rounded up to certainty. */
export function percent(share: number): string {
  const tenths = Math.floor(share * 1_000) / 10;
  return `${share < 1 ? Math.min(tenths, 99.9) : 100} %`;
}
