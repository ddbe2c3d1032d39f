/** What a request wants taken back, looked up and judged by who asks. */
import type { Incident } from "@lastgood/sdk";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import type { Actor } from "../http/actor.ts";
import type { ChangeId, IncidentId } from "../ids.ts";
import type { Undo } from "../layers/layer.ts";
import type { Change } from "../ledger/change.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { requireMayPlan } from "./agent-rights.ts";
import { type IncidentAbout, type UndoRequest, undoOf } from "./undo-request.ts";

const word = z.string().min(1).max(200);
export const planBody = z
  .strictObject({
    incident: z.string().min(1).max(100).optional(),
    changes: z.array(z.uuid()).min(1).max(500).optional(),
    task: word.optional(),
    agent: word.optional(),
    since: z.string().max(40).optional(),
    because: z.string().min(1).max(2_000).optional(),
    contain: z.boolean().optional(),
  })
  .refine(
    (body) => namesChanges(body) || (body.incident !== undefined && body.since === undefined),
    "name changes, a task, or an agent with since",
  );

function namesChanges({ changes, task, agent, since }: Partial<UndoRequest>): boolean {
  return (
    changes !== undefined || task !== undefined || (agent !== undefined && since !== undefined)
  );
}

export interface WishDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  /** `not_found`. */
  incidentOf(id: IncidentId): Promise<Incident>;
}

/** The wish as the layers take it. Faults where it is nobody's, or not this agent's to wish. */
export async function readWish(deps: WishDeps, actor: Actor, body: UndoRequest): Promise<Undo> {
  const { db, world, configuration } = deps;
  const incident = await incidentFor(deps, actor, body);
  const changes = await wanted(db, world, withDecision(body, incident));
  if (actor.role === "agent") requireMayPlan(configuration.current(), actor.agent, changes);
  const undo = undoOf(changes, body, incident === null ? null : aboutOf(incident));
  if (undo instanceof Fault) throw undo;
  return undo;
}

const changesMax = 500;

async function wanted(db: Db, world: World, body: UndoRequest): Promise<readonly Change[]> {
  const changes = await findChanges(db, {
    ...(body.changes === undefined ? {} : { ids: body.changes as ChangeId[] }),
    ...(body.task === undefined ? {} : { task: body.task }),
    ...(body.agent === undefined ? {} : { agent: body.agent }),
    ...(body.since === undefined ? {} : { since: parseMoment(body.since, world.now(), "since") }),
    limit: changesMax + 1,
  });
  const missing = (body.changes ?? []).filter(
    (each) => !changes.some((found) => found.id === each),
  );
  if (missing.length > 0) {
    throw new Fault(
      "not_found",
      `There is no change ${missing[0]}: list them with \`lastgood changes\`.`,
    );
  }
  if (changes.length > changesMax) {
    throw new Fault(
      "too_large",
      `More than ${changesMax} changes fit: narrow the window with --since.`,
    );
  }
  return changes;
}

/** The incident that the plan is for: an open one, and for an agent none that only a person can end. */
async function incidentFor(
  { incidentOf }: WishDeps,
  actor: Actor,
  { incident: named }: UndoRequest,
): Promise<Incident | null> {
  if (named === undefined) return null;
  const incident = await incidentOf(named as IncidentId);
  if (incident.state === "closed") {
    throw new Fault(
      "state_forbids",
      `Incident ${incident.id} is closed: plan without it, by changes, task or agent.`,
    );
  }
  if (actor.role === "agent" && persons.includes(incident.kind)) {
    throw new Fault(
      "approval_needed",
      `Incident ${incident.id} is a ${incident.kind}, which is always a person's: leave it to whoever was called.`,
    );
  }
  return incident;
}

const persons: readonly Incident["kind"][] = ["contradiction", "storm", "rollout"];

/** Where only the incident is named, what it was decided to come from. */
function withDecision(body: UndoRequest, incident: Incident | null): UndoRequest {
  if (incident === null || namesChanges(body)) return body;
  const changes = incident.decision?.changes ?? [];
  if (changes.length > 0) return { ...body, changes };
  throw new Fault(
    "bad_input",
    `Incident ${incident.id} is ${incident.state}, and no change was decided on: name the changes (its suspects: \`lastgood incident show ${incident.id}\`).`,
    { context: { path: "body/changes" } },
  );
}

function aboutOf({ id: named, title, onset, symptoms }: Incident): IncidentAbout {
  const services = [...new Set(symptoms.map(({ service }) => service))];
  return { id: named as IncidentId, title, onset: new Date(onset), services };
}
