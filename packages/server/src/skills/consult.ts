/**
 * What an investigation gets from earlier ones: where to look first.
 *
 *   C1. Nothing here is evidence and nothing here moves the world: a lead orders what is examined.
 *   C2. Knowledge is a help: what cannot be read in time, or not at all, costs an investigation nothing else.
 *   C3. A playbook that was sure of its lead and wrong, or whose recovery failed or was taken back by a person,
 *       is marked and not used again.
 */
import type { SkillUse } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { ChangeId, IncidentId } from "../ids.ts";
import { sayChange } from "../incidents/conclude.ts";
import type { Step } from "../layers/layer.ts";
import type { Change } from "../ledger/change.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Likeness, leadsOf, standsAt } from "./likeness.ts";
import { differences, shapeOf } from "./playbook.ts";
import {
  endSkill,
  findSkill,
  findUse,
  putUse,
  type StoredSkill,
  settleUse,
  skillsMatching,
  takenBack,
} from "./skill-store.ts";
import { type Trace, traceOf } from "./trace.ts";

/** A commit's diff against its parent, null for a root commit, with some of the lines around. */
export type ReadChangedLines = (
  commit: { readonly repository: string; readonly parent: string | null; readonly id: string },
  signal: AbortSignal,
) => Promise<string>;

export interface ConsultDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly changedLines: ReadChangedLines;
}

const ownName = "lastgood";
const consultedMax = 5;
const tracedMax = 30;
const tracedAtOnce = 4;
const readingMsMax = 1_500;

/** Leads of the playbook that fits best, the likeliest first; none where none fits. */
export async function consult(
  deps: ConsultDeps,
  incident: IncidentId,
  signatures: readonly string[],
  suspects: readonly Change[],
): Promise<readonly Likeness[]> {
  const { db } = deps;
  // What takes something back looks like what it takes back.
  const forward = suspects.filter(({ reverts }) => reverts.length === 0);
  const known = await trusted(deps, await skillsMatching(db, signatures, consultedMax));
  const [newest] = known;
  if (newest === undefined || forward.length === 0) return [];
  const traces = await traceAll(deps, forward.slice(0, tracedMax), traceOf);
  const found = known
    .map((skill) => ({ skill, leads: leadsOf(skill.playbook, traces) }))
    .reduce((most, each) => (strength(each.leads) > strength(most.leads) ? each : most));
  const chosen = found.leads.length === 0 ? { skill: newest, leads: [] } : found;
  await tellProposal(deps, incident, chosen, forward);
  return chosen.leads;
}

function strength(leads: readonly Likeness[]): number {
  return leads[0]?.likeness ?? 0;
}

/** Without those of which a recovery was taken back since: they are marked (C3). */
async function trusted(
  deps: ConsultDeps,
  skills: readonly StoredSkill[],
): Promise<readonly StoredSkill[]> {
  const kept: StoredSkill[] = [];
  for (const skill of skills) {
    const recoveries = skill.playbook.cases.map(({ recovery }) => recovery);
    const undone = await takenBack(deps.db, recoveries);
    if (undone === null) kept.push(skill);
    else await fail(deps, skill.id, `recovery ${undone.recovery} was taken back by ${undone.by}`);
  }
  return kept;
}

async function fail({ db, world }: ConsultDeps, skill: string, because: string): Promise<void> {
  await endSkill(db, skill, { state: "failed", because, at: world.now() });
}

/** What could not be read in time is traced by its paths alone (C2). */
export async function traceAll(
  { log, changedLines }: ConsultDeps,
  changes: readonly Change[],
  trace: (change: Change, diff: string) => Trace,
): Promise<ReadonlyMap<ChangeId, Trace>> {
  const signal = AbortSignal.timeout(readingMsMax);
  const traces = new Map<ChangeId, Trace>();
  const waiting = [...changes];
  const lane = async () => {
    for (let change = waiting.shift(); change !== undefined; change = waiting.shift()) {
      traces.set(change.id, trace(change, await diffOf(change)));
    }
  };
  const diffOf = async ({ layer, target, from, to }: Change) => {
    if (layer !== "code" || to === null || signal.aborted) return "";
    try {
      return await changedLines({ repository: target, parent: from, id: to }, signal);
    } catch (error) {
      log.debug({ err: error, commit: to }, "a suspect's lines could not be read");
      return "";
    }
  };
  await Promise.all(Array.from({ length: tracedAtOnce }, lane));
  return traces;
}

async function tellProposal(
  { db, world }: ConsultDeps,
  incident: IncidentId,
  { skill, leads }: { readonly skill: StoredSkill; readonly leads: readonly Likeness[] },
  suspects: readonly Change[],
): Promise<void> {
  const at = world.now();
  const [first] = leads;
  const change = suspects.find(({ id }) => id === first?.change);
  const from = skill.playbook.cases[0]?.incident ?? "";
  const applies = first !== undefined && change !== undefined;
  const says = applies
    ? `${skill.name} (from ${from}) leads to ${sayChange(change)}, which shares ${first.shares.join(", ")} with what did it then`
    : `${skill.name} (from ${from}) fits what fails, but no suspect resembles what did it then`;
  await db.begin(async (tx) => {
    await putUse(tx, {
      ...{ incident, skill: skill.id, at, says },
      leads: leads.map((lead) => lead.change),
      stands: (first?.likeness ?? 0) >= standsAt,
      outcome: applies ? "proposed" : "not-applied",
    });
    await recordEvent(tx, incident, {
      at,
      actor: ownName,
      event: applies ? "playbook.proposed" : "playbook.known",
      text: says,
      details: { skill: skill.name, leads: leads.map((lead) => ({ ...lead })) },
      key: `playbook-${skill.id}-${first?.change ?? "none"}`,
    });
  });
}

export interface Decided {
  readonly changes: readonly ChangeId[];
  /** Whether the evidence is enough to act on. */
  readonly sure: boolean;
  /** Of the plan that was made for it. */
  readonly steps: readonly Step[];
}

/** What the evidence said of the lead, and how the plan for today compares with the one that worked. */
export async function compare(
  deps: ConsultDeps,
  incident: IncidentId,
  { changes, sure, steps }: Decided,
): Promise<void> {
  const { db } = deps;
  if (!sure) return;
  const use = await findUse(db, incident);
  const skill = use === null ? null : await findSkill(db, use.skill);
  if (use === null || skill === null || use.leads.length === 0) return;
  const right = use.leads.some((lead) => changes.includes(lead));
  const name = skill.name;
  if (right) {
    const differ = differences(skill.playbook.steps, shapeOf(steps));
    const plan =
      differ.length === 0
        ? "the plan computed for today has the steps that worked then"
        : `the plan computed for today differs: ${differ.slice(0, 10).join("; ")}`;
    const says = `the evidence convicts what ${name} led to; ${plan}`;
    await settle(deps, incident, use.skill, "confirmed", says);
  } else if (use.stands) {
    const says = `${name} led to another change than the evidence convicts: it is not used any more`;
    await settle(deps, incident, use.skill, "mistaken", says);
  } else {
    const says = `${name} was not sure of its lead, and the evidence convicts another change`;
    await settle(deps, incident, use.skill, "not-applied", says);
  }
}

/** The recovery that followed failed. */
export async function recoveryFailed(
  deps: ConsultDeps,
  incident: IncidentId,
  because: string,
): Promise<void> {
  const use = await findUse(deps.db, incident);
  if (use?.outcome !== "confirmed") return;
  const says = `the recovery that it led to failed: ${because}`.slice(0, 500);
  await settle(deps, incident, use.skill, "failed", says);
}

const settles: Readonly<Partial<Record<SkillUse["outcome"], readonly SkillUse["outcome"][]>>> = {
  confirmed: ["proposed"],
  mistaken: ["proposed"],
  "not-applied": ["proposed"],
  failed: ["confirmed"],
};

async function settle(
  { db, world }: ConsultDeps,
  incident: IncidentId,
  skill: string,
  to: SkillUse["outcome"],
  says: string,
): Promise<void> {
  const at = world.now();
  await db.begin(async (tx) => {
    if (!(await settleUse(tx, incident, { from: settles[to] ?? [], to, says }))) return;
    if (to === "mistaken" || to === "failed") {
      await endSkill(tx, skill, { state: "failed", because: `in ${incident}: ${says}`, at });
    }
    await recordEvent(tx, incident, {
      ...{ at, actor: ownName, event: `playbook.${to}`, text: says },
      key: `playbook-${to}`,
    });
  });
}
