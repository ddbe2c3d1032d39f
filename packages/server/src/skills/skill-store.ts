import type { Playbook, SkillState, SkillUse } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { ChangeId, IncidentId } from "../ids.ts";
import type { Json, Query } from "../store/database.ts";

export interface StoredSkill {
  readonly id: string;
  readonly name: string;
  readonly state: SkillState;
  readonly because: string;
  readonly service: string;
  readonly signatures: readonly string[];
  readonly playbook: Playbook;
  readonly markdown: string;
  readonly writtenAt: Date;
  readonly updatedAt: Date;
}

const columns = (db: Query) => db`
  id, name, state, because, service, signatures, playbook, markdown,
  written_at as "writtenAt", updated_at as "updatedAt"`;

/** What is learned of one incident is learned by one process at a time. */
export async function lockLearning(tx: Query): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtext('lastgood skills'))`;
}

export async function insertSkill(db: Query, skill: StoredSkill): Promise<void> {
  await db`
    insert into skills ${db({
      ...{ id: skill.id, name: skill.name, state: skill.state, because: skill.because },
      ...{ service: skill.service, signatures: [...skill.signatures] },
      playbook: skill.playbook as unknown as Json,
      ...{ markdown: skill.markdown, written_at: skill.writtenAt, updated_at: skill.updatedAt },
    })}`;
}

export async function updateSkill(
  db: Query,
  id: string,
  { playbook, markdown, at }: { playbook: Playbook; markdown: string; at: Date },
): Promise<void> {
  await db`
    update skills set playbook = ${db.json(playbook as unknown as Json)}, markdown = ${markdown},
      signatures = ${[...playbook.signatures]}, updated_at = ${at}
    where id = ${id} and state = 'active'`;
}

/** False where it was not active any more. */
export async function endSkill(
  db: Query,
  id: string,
  { state, because, at }: { state: "failed" | "retired"; because: string; at: Date },
): Promise<boolean> {
  const rows = await db`
    update skills set state = ${state}, because = ${because}, updated_at = ${at}
    where id = ${id} and state = 'active' returning 1`;
  return rows.length > 0;
}

export interface SkillFilter {
  readonly state: SkillState | "all";
  readonly service?: string | undefined;
  readonly since?: Date | null;
  readonly limit: number;
}

/** Last changed first. */
export async function listSkills(
  db: Query,
  { state, service, since = null, limit }: SkillFilter,
): Promise<readonly StoredSkill[]> {
  return await db<StoredSkill[]>`
    select ${columns(db)} from skills
    where (${state} = 'all' or state = ${state})
      and (${service ?? null}::text is null or service = ${service ?? null})
      and (${since}::timestamptz is null or updated_at > ${since})
    order by updated_at desc, id desc limit ${limit}`;
}

/** The active one, else the last that was. */
export async function requireSkill(db: Query, name: string): Promise<StoredSkill> {
  const [row] = await db<StoredSkill[]>`
    select ${columns(db)} from skills where name = ${name}
    order by state = 'active' desc, updated_at desc, id desc limit 1`;
  if (row !== undefined) return row;
  throw new Fault(
    "not_found",
    `There is no skill ${name.slice(0, 80)}: list them with \`lastgood skills list\`.`,
  );
}

export async function findSkill(db: Query, id: string): Promise<StoredSkill | null> {
  const [row] = await db<StoredSkill[]>`select ${columns(db)} from skills where id = ${id}`;
  return row ?? null;
}

/** Active ones that one of the signatures fits, the last changed first. */
export async function skillsMatching(
  db: Query,
  signatures: readonly string[],
  limit: number,
): Promise<readonly StoredSkill[]> {
  return await db<StoredSkill[]>`
    select ${columns(db)} from skills
    where state = 'active' and signatures && ${[...signatures]}::text[]
    order by updated_at desc, id desc limit ${limit}`;
}

export async function namesInUse(db: Query, beginning: string): Promise<ReadonlySet<string>> {
  const rows = await db<{ name: string }[]>`
    select name from skills where state = 'active' and starts_with(name, ${beginning})`;
  return new Set(rows.map(({ name }) => name));
}

/** A recovery of one of these incidents that was itself taken back; null where all still stand. */
export async function takenBack(
  db: Query,
  recoveries: readonly string[],
): Promise<{ readonly recovery: string; readonly by: string } | null> {
  const [row] = await db<{ recovery: string; by: string }[]>`
    select undoes as recovery, coalesce(run_by, planned_by) as by from recoveries
    where undoes = any(${[...recoveries]}) and state = 'verified' limit 1`;
  return row ?? null;
}

export interface StoredUse {
  readonly incident: IncidentId;
  readonly skill: string;
  readonly at: Date;
  readonly leads: readonly ChangeId[];
  readonly stands: boolean;
  readonly outcome: SkillUse["outcome"];
  readonly says: string;
}

/** An investigation that begins again asks again: what was decided by then stays decided. */
export async function putUse(db: Query, use: StoredUse): Promise<void> {
  const { incident, skill, at, leads, stands, outcome, says } = use;
  await db`
    insert into skill_uses (incident, skill, at, leads, stands, outcome, says)
    values (${incident}, ${skill}, ${at}, ${[...leads]}::uuid[], ${stands}, ${outcome}, ${says})
    on conflict (incident) do update set
      skill = excluded.skill, leads = excluded.leads, stands = excluded.stands,
      outcome = excluded.outcome, says = excluded.says
    where skill_uses.outcome in ('proposed', 'not-applied')`;
}

/** False where it had come to another outcome before. */
export async function settleUse(
  db: Query,
  incident: IncidentId,
  {
    from,
    to,
    says,
  }: { from: readonly SkillUse["outcome"][]; to: SkillUse["outcome"]; says: string },
): Promise<boolean> {
  const rows = await db`
    update skill_uses set outcome = ${to}, says = ${says}
    where incident = ${incident} and outcome = any(${[...from]}) returning 1`;
  return rows.length > 0;
}

export async function findUse(db: Query, incident: IncidentId): Promise<StoredUse | null> {
  const [row] = await db<StoredUse[]>`
    select incident, skill, at, leads, stands, outcome, says from skill_uses
    where incident = ${incident}`;
  return row ?? null;
}

/** The newest first. */
export async function usesOf(
  db: Query,
  skill: string,
  limit: number,
): Promise<readonly StoredUse[]> {
  return await db<StoredUse[]>`
    select incident, skill, at, leads, stands, outcome, says from skill_uses
    where skill = ${skill} order by at desc, incident desc limit ${limit}`;
}

/** Whether something was learned of the incident already. */
export async function isLearned(db: Query, incident: IncidentId): Promise<boolean> {
  const rows = await db`
    select 1 from skills
    where playbook->'cases' @> ${db.json([{ incident }])} limit 1`;
  return rows.length > 0;
}
