import type { Incident } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit, createDenials } from "../http/audit.ts";
import type { IncidentId, RecoveryId } from "../ids.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { requireMayAct } from "./agent-rights.ts";
import { planBody, readWish, type WishDeps } from "./plan-request.ts";
import type { RecoveryRoom } from "./recoveries.ts";
import type { Recovery } from "./recovery.ts";
import { recoverySchema, toApi } from "./recovery-schema.ts";
import { automaticRuns, listRecoveries, requireRecovery } from "./recovery-store.ts";

const id = z.string().min(1).max(100);
const params = z.strictObject({ id });
const digest = z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits") });
export interface RecoveryRoutesDeps extends WishDeps {
  readonly room: RecoveryRoom;
}

export function recoveryRoutes(app: App, deps: RecoveryRoutesDeps): void {
  const { db, world, room } = deps;
  const deny = createDenials(db, world);
  const tags = ["recovery"];
  const response = { 200: recoverySchema };
  const show = async (found: RecoveryId) => toApi(await requireRecovery(db, found));
  const record = (actor: Actor, action: string, target: string, because = "") =>
    audit(db, { at: world.now(), actor: nameOf(actor), action, target, outcome: "done", because });
  /** What an agent tried beyond its rights is in the audit as well. */
  const allowed = async (actor: Actor, act: "run" | "approve", recovery: Recovery) => {
    try {
      await requireMay(deps, actor, act, recovery);
    } catch (error) {
      if (error instanceof Fault) {
        const denied = { actor: nameOf(actor), action: `recovery.${act}`, target: recovery.id };
        await deny({ ...denied, because: error.message });
      }
      throw error;
    }
  };

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
      const undo = await readWish(deps, actor, body);
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
      await allowed(actor, "run", recovery);
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
      await allowed(actor, "approve", await requireRecovery(db, named as RecoveryId));
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
