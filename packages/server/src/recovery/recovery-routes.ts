import type { Incident } from "@lastgood/sdk";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Change } from "../ledger/change.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { requireMayAct, requireMayPlan } from "./agent-rights.ts";
import type { RecoveryRoom } from "./recoveries.ts";
import type { Recovery } from "./recovery.ts";
import { recoverySchema, toApi } from "./recovery-schema.ts";
import { automaticRuns, listRecoveries, requireRecovery } from "./recovery-store.ts";
import { type IncidentAbout, type UndoRequest, undoOf } from "./undo-request.ts";

const id = z.string().min(1).max(100);
const word = z.string().min(1).max(200);
const params = z.strictObject({ id });
const digest = z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits") });
const planBody = z
  .strictObject({
    incident: id.optional(),
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

export interface RecoveryRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly room: RecoveryRoom;
  /** `not_found`. */
  incidentOf(id: IncidentId): Promise<Incident>;
}

export function recoveryRoutes(app: App, deps: RecoveryRoutesDeps): void {
  const { db, world, configuration, room } = deps;
  const tags = ["recovery"];
  const response = { 200: recoverySchema };
  const show = async (found: RecoveryId) => toApi(await requireRecovery(db, found));
  const record = (actor: Actor, action: string, target: string, because = "") =>
    audit(db, { at: world.now(), actor: nameOf(actor), action, target, outcome: "done", because });

  app.get(
    "/v1/recoveries",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Recoveries, newest first",
        querystring: z.strictObject({
          incident: id.optional(),
          limit: z.coerce.number().int().min(1).max(200).default(20),
        }),
        response: { 200: z.object({ recoveries: z.array(recoverySchema) }) },
      },
    },
    async ({ query }) => {
      const incident = (query.incident ?? null) as IncidentId | null;
      const found = await listRecoveries(db, { incident, limit: query.limit });
      return { recoveries: found.map(toApi) };
    },
  );

  app.get(
    "/v1/recoveries/:id",
    {
      config: { allow: "viewer" },
      schema: { tags, summary: "One recovery with its journal", params, response },
    },
    async (request) => await show(request.params.id as RecoveryId),
  );

  app.post(
    "/v1/recoveries",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Plan what takes changes back; moves nothing",
        body: planBody,
        response,
      },
    },
    async ({ actor, body }) => {
      const incident = await incidentFor(deps, actor, body);
      const changes = await wanted(db, world, withDecision(body, incident));
      if (actor.role === "agent") {
        requireMayPlan(configuration.current(), actor.agent, changes);
      }
      const undo = undoOf(changes, body, incident === null ? null : aboutOf(incident));
      if (undo instanceof Fault) throw undo;
      const planned = await room.plan(undo, nameOf(actor), { automatic: actor.role === "agent" });
      await tellPlanned(deps, planned);
      return toApi(planned);
    },
  );

  app.post(
    "/v1/recoveries/:id/run",
    {
      config: { allow: "agent" },
      schema: { tags, summary: "Run the plan with this digest", params, body: digest, response },
    },
    async ({ actor, params: { id: named }, body }) => {
      const recovery = await requireRecovery(db, named as RecoveryId);
      await requireMay(deps, actor, "run", recovery);
      await room.run(recovery.id, body.digest, nameOf(actor));
      await record(actor, "recovery.run", recovery.id, body.digest);
      return await show(recovery.id);
    },
  );

  app.post(
    "/v1/recoveries/:id/approve",
    {
      config: { allow: "agent" },
      schema: { tags, summary: "Let this very plan run", params, body: digest, response },
    },
    async ({ actor, params: { id: named }, body }) => {
      await requireMay(deps, actor, "approve", await requireRecovery(db, named as RecoveryId));
      await room.approve(named as RecoveryId, body.digest, nameOf(actor));
      await record(actor, "recovery.approve", named, body.digest);
      return await show(named as RecoveryId);
    },
  );

  app.post(
    "/v1/recoveries/:id/refuse",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Do not run this plan",
        params,
        body: z.strictObject({ because: z.string().trim().min(1).max(2_000) }),
        response,
      },
    },
    async ({ actor, params: { id: named }, body }) => {
      await requireRecovery(db, named as RecoveryId);
      await room.refuse(named as RecoveryId, nameOf(actor), body.because);
      await record(actor, "recovery.refuse", named, body.because);
      return await show(named as RecoveryId);
    },
  );

  app.post(
    "/v1/recoveries/:id/undo",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Plan what takes this recovery back; moves nothing",
        params,
        body: z.strictObject({}),
        response,
      },
    },
    async ({ actor, params: { id: named } }) =>
      toApi(await room.planUndoOf(named as RecoveryId, nameOf(actor))),
  );
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
  { incidentOf }: RecoveryRoutesDeps,
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
  if (actor.role === "agent" && (incident.kind === "contradiction" || incident.kind === "storm")) {
    throw new Fault(
      "approval_needed",
      `Incident ${incident.id} is a ${incident.kind}, which is always a person's: leave it to whoever was called.`,
    );
  }
  return incident;
}

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

async function tellPlanned(
  { db, world }: RecoveryRoutesDeps,
  { id: planned, incident, plannedBy, undo }: Recovery,
): Promise<void> {
  if (incident === null) return;
  await recordEvent(db, incident, {
    ...{ at: world.now(), actor: plannedBy, event: "recovery.planned" },
    text: `${plannedBy} planned ${planned}: ${undo.because}`,
    details: { recovery: planned, changes: undo.changes },
  });
}

/** Operators may; of agents, see `agent-rights.ts`. */
async function requireMay(
  { db, world, configuration, room, incidentOf }: RecoveryRoutesDeps,
  actor: Actor,
  act: "run" | "approve",
  recovery: Recovery,
): Promise<void> {
  if (actor.role !== "agent") return;
  if (recovery.incident !== null) requireDecided(await incidentOf(recovery.incident));
  const now = world.now();
  const ids = recovery.undo.changes;
  const changes = ids.length === 0 ? [] : await findChanges(db, { ids, limit: ids.length });
  requireMayAct(configuration.current(), actor.agent, act, recovery, {
    now,
    makers: changes.map(({ agent }) => agent),
    heldBecause: await room.heldBecause(recovery),
    ranToday: await automaticRuns(db, new Date(now.getTime() - dayMs)),
  });
}

const dayMs = 86_400_000;

/** While Lastgood looks for what did it, it may be about to put it back itself. */
function requireDecided({ id: named, state }: Incident): void {
  if (state !== "opened" && state !== "investigating" && state !== "handed-back") return;
  throw new Fault(
    "target_busy",
    `Incident ${named} is ${state}: wait for its decision, which comes to your inbox.`,
  );
}
