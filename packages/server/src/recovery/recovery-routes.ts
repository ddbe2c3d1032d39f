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
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { beyondAuthority } from "./authority.ts";
import type { RecoveryRoom } from "./recoveries.ts";
import type { Recovery } from "./recovery.ts";
import { recoverySchema, toApi } from "./recovery-schema.ts";
import { listRecoveries, requireRecovery } from "./recovery-store.ts";
import { type UndoRequest, undoOf } from "./undo-request.ts";

const id = z.string().min(1).max(100);
const word = z.string().min(1).max(200);
const params = z.strictObject({ id });
const digest = z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits") });
const planBody = z
  .strictObject({
    changes: z.array(z.uuid()).min(1).max(500).optional(),
    task: word.optional(),
    agent: word.optional(),
    since: z.string().max(40).optional(),
    because: z.string().min(1).max(2_000).default("asked for by hand"),
    contain: z.boolean().default(false),
  })
  .refine(
    ({ changes, task, agent, since }) =>
      changes !== undefined || task !== undefined || (agent !== undefined && since !== undefined),
    "name changes, a task, or an agent with since",
  );

export interface RecoveryRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly room: RecoveryRoom;
}

export function recoveryRoutes(
  app: App,
  { db, world, configuration, room }: RecoveryRoutesDeps,
): void {
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
      const changes = await wanted(db, world, body);
      requireOwn(actor, changes);
      const undo = undoOf(changes, body);
      if (undo instanceof Fault) throw undo;
      return toApi(await room.plan(undo, nameOf(actor)));
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
      requireAuthority(configuration, actor, recovery, world.now());
      await room.run(recovery.id, body.digest, nameOf(actor));
      await record(actor, "recovery.run", recovery.id, body.digest);
      return await show(recovery.id);
    },
  );

  app.post(
    "/v1/recoveries/:id/approve",
    {
      config: { allow: "operator" },
      schema: { tags, summary: "Let this very plan run", params, body: digest, response },
    },
    async ({ actor, params: { id: named }, body }) => {
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

/** An agent undoes its own; for more there are operators. */
function requireOwn(actor: Actor, changes: readonly Change[]): void {
  if (actor.role !== "agent") return;
  const others = changes.find((change) => change.agent !== actor.agent);
  if (others === undefined) return;
  throw new Fault(
    "not_yours",
    `Change ${others.id} is ${others.agent}'s, and this token is ${actor.agent}'s: ask an operator.`,
  );
}

function requireAuthority(
  configuration: Configuration,
  actor: Actor,
  { id: named, plan, undo }: Recovery,
  now: Date,
): void {
  if (actor.role !== "agent") return;
  const authority = configuration.current().agents[actor.agent]?.authority;
  const beyond =
    authority === undefined
      ? ["it is not declared under `agents`"]
      : beyondAuthority(authority, plan, undo, now);
  if (beyond.length === 0) return;
  throw new Fault(
    "beyond_authority",
    `${actor.agent} may not run ${named} by itself: ${beyond.join("; ")}. A person can: \`lastgood approve ${named}\`.`,
  );
}
