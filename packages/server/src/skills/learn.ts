/**
 * Writes what a verified recovery taught: a new skill, or a new revision of the one that led to it.
 *
 *   W1. An incident is learned from once, however often it is written up.
 *   W2. A playbook is revised only by an incident in which it led to what the evidence convicted. What fails
 *       the same way for another reason becomes a skill of its own.
 */
import type { Check, Incident, Recovery } from "@lastgood/sdk";
import type { ChangeId, IncidentId } from "../ids.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Tx } from "../store/database.ts";
import { newId } from "../world.ts";
import { type ConsultDeps, traceAll } from "./consult.ts";
import { type Lesson, learnedAgain, lessonOf, skillNameOf } from "./playbook.ts";
import {
  findSkill,
  findUse,
  insertSkill,
  isLearned,
  lockLearning,
  namesInUse,
  settleUse,
  updateSkill,
} from "./skill-store.ts";
import { skillText } from "./skill-text.ts";
import { causeOf } from "./trace.ts";

export interface LearnDeps extends ConsultDeps {
  incidentOf(id: IncidentId): Promise<Incident>;
  recoveryOf(incident: IncidentId): Promise<Recovery | null>;
  checkOf(incident: IncidentId): Promise<Check | null>;
}

const tracedMax = 20;

/** The name of the skill that the incident is in now; null where it taught nothing. */
export async function learn(deps: LearnDeps, id: IncidentId): Promise<string | null> {
  const { db } = deps;
  if (await isLearned(db, id)) return null;
  const [incident, recovery, check] = await Promise.all([
    deps.incidentOf(id),
    deps.recoveryOf(id),
    deps.checkOf(id),
  ]);
  const ids = (recovery?.changes ?? []).slice(0, tracedMax).map((change) => change as ChangeId);
  const changes = ids.length === 0 ? [] : await findChanges(db, { ids, limit: tracedMax });
  const traces = await traceAll(deps, changes, causeOf);
  const lesson = lessonOf({ incident, recovery, check, traces });
  if (lesson === null) return null;
  return await db.begin(async (tx) => {
    await lockLearning(tx);
    if (await isLearned(tx, id)) return null;
    return (await revise(tx, deps, id, lesson, ids)) ?? (await write(tx, deps, id, lesson));
  });
}

/** W2. Null where no active playbook had led to it. A person may have decided what the evidence left open. */
async function revise(
  tx: Tx,
  { world }: LearnDeps,
  incident: IncidentId,
  lesson: Lesson,
  putBack: readonly ChangeId[],
): Promise<string | null> {
  const use = await findUse(tx, incident);
  if (use === null || !use.leads.some((lead) => putBack.includes(lead))) return null;
  const skill = await findSkill(tx, use.skill);
  if (skill?.state !== "active") return null;
  const at = world.now();
  const playbook = learnedAgain(skill.playbook, lesson);
  const times = playbook.cases.length;
  const says = `${skill.name} led to it: put right ${times} times now`;
  await updateSkill(tx, skill.id, { playbook, markdown: skillText(playbook), at });
  await settleUse(tx, incident, { from: ["proposed", "confirmed"], to: "put-right", says });
  await recordEvent(tx, incident, {
    ...{
      at,
      actor: "lastgood",
      event: "playbook.put-right",
      text: says,
      key: "playbook-put-right",
    },
    details: { skill: skill.name, revision: playbook.revision },
  });
  return skill.name;
}

async function write(
  tx: Tx,
  { world }: LearnDeps,
  incident: IncidentId,
  lesson: Lesson,
): Promise<string> {
  const at = world.now();
  const name = free(skillNameOf(lesson), await namesInUse(tx, skillNameOf(lesson)));
  const playbook = { ...lesson, skill: name, revision: 1 };
  await insertSkill(tx, {
    ...{ id: newId<string>(world, "skl"), name, state: "active", because: "" },
    ...{ service: lesson.service, signatures: lesson.signatures },
    ...{ playbook, markdown: skillText(playbook), writtenAt: at, updatedAt: at },
  });
  await recordEvent(tx, incident, {
    ...{ at, actor: "lastgood", event: "skill.written", key: "skill-written" },
    ...{ text: `lastgood skills show ${name}`, details: { skill: name } },
  });
  return name;
}

/** Two faults may fail one rule: the second skill of a name gets a number. */
function free(wanted: string, used: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!used.has(name)) return name;
  }
}
