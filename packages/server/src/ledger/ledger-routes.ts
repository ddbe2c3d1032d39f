import type { Change as ApiChange, LayerName } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import type { ChangeId } from "../ids.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Change, Targets } from "./change.ts";
import { changesAmong } from "./changes-among.ts";
import { findChanges } from "./ledger-store.ts";

export const layerNames = [
  "code",
  "state",
  "messages",
  "versions",
  "runtime",
  "data",
  "effects",
  "fleet",
] as const satisfies readonly LayerName[];

/** The shape that the SDK's `Change` states; a difference between the two does not compile. */
export const changeSchema: z.ZodType<ApiChange> = z.object({
  id: z.uuid(),
  at: z.string(),
  layer: z.enum(layerNames),
  kind: z.string(),
  target: z.string(),
  agent: z.string(),
  task: z.string().nullable(),
  session: z.string().nullable(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  reason: z.string(),
  reverts: z.array(z.uuid()),
  details: z.record(z.string(), z.unknown()),
  exposures: z.array(
    z.object({ service: z.string(), exposedAt: z.string(), deploy: z.uuid().nullable() }),
  ),
});

const name = z.string().min(1).max(200);
const querySchema = z.strictObject({
  since: z.string().max(40).optional(),
  until: z.string().max(40).optional(),
  agent: name.optional(),
  task: name.optional(),
  layer: z.enum(layerNames).optional(),
  target: name.optional(),
  reaching: name.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export interface LedgerRoutesDeps {
  readonly db: Db;
  readonly world: World;
  /** The things from which a path leads to the service; `not_found` for an unknown one. */
  reaching(service: string): Targets;
}

export function ledgerRoutes(app: App, { db, world, reaching }: LedgerRoutesDeps): void {
  app.get(
    "/v1/changes",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["ledger"],
        summary: "Changes by any agent in any layer, newest first",
        querystring: querySchema,
        response: { 200: z.object({ changes: z.array(changeSchema), more: z.boolean() }) },
      },
    },
    async (request) => {
      const { since, until, reaching: service, limit, ...rest } = request.query;
      const now = world.now();
      const filter = {
        ...definedOnly(rest),
        ...(since === undefined ? {} : { since: parseMoment(since, now, "since") }),
        ...(until === undefined ? {} : { until: parseMoment(until, now, "until") }),
      };
      if (service !== undefined) {
        const among = await changesAmong(db, { ...filter, limit }, reaching(service));
        return { changes: among.changes.map(toApi), more: among.more };
      }
      const found = await findChanges(db, { ...filter, limit: limit + 1 });
      return { changes: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );

  app.get(
    "/v1/changes/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["ledger"],
        summary: "One change",
        params: z.strictObject({ id: z.uuid() }),
        response: { 200: changeSchema },
      },
    },
    async (request) => {
      const [found] = await findChanges(db, { ids: [request.params.id as ChangeId], limit: 1 });
      if (found === undefined) {
        throw new Fault(
          "not_found",
          `There is no change ${request.params.id}: list them with \`lastgood changes\`.`,
        );
      }
      return toApi(found);
    },
  );
}

export function toApi(change: Change): ApiChange {
  return {
    ...change,
    at: change.at.toISOString(),
    exposures: change.exposures.map((each) => ({
      ...each,
      exposedAt: each.exposedAt.toISOString(),
    })),
  };
}

/** Drops the keys whose value is undefined, in the type too. */
function definedOnly<T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
