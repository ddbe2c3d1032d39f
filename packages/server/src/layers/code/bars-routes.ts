import type { Bar as ApiBar } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../../fault.ts";
import { nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { audit } from "../../http/audit.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { Bar } from "./bar.ts";
import { liftBar, liftBarsOfClosed, listBars } from "./bars-store.ts";

/** The shape that the SDK's `Bar` states; a difference between the two does not compile. */
export const barSchema: z.ZodType<ApiBar> = z.object({
  id: z.uuid(),
  repository: z.string(),
  commit: z.string(),
  subject: z.string(),
  patchId: z.string().nullable(),
  revertCommit: z.string(),
  incident: z.string().nullable(),
  because: z.string(),
  barredBy: z.string(),
  barredAt: z.string(),
  lifted: z.object({ at: z.string(), by: z.string(), because: z.string() }).nullable(),
});

const barsMax = 1_000;

export function barsRoutes(app: App, { db, world }: { db: Db; world: World }): void {
  app.get(
    "/v1/bars",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["code"],
        summary: "What was rolled back and is refused, newest first (at most 1,000)",
        querystring: z.strictObject({
          repository: z.string().max(200).optional(),
          incident: z.string().max(100).optional(),
          all: z.enum(["true", "false"]).default("false"),
        }),
        response: { 200: z.object({ bars: z.array(barSchema) }) },
      },
    },
    async (request) => {
      const { repository, incident, all } = request.query;
      await liftBarsOfClosed(db);
      const filter = { repository, incident, lifted: all === "true", limit: barsMax };
      return { bars: (await listBars(db, filter)).map(toApi) };
    },
  );

  app.post(
    "/v1/bars/:id/lift",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["code"],
        summary: "Let what was rolled back come again, with a reason",
        params: z.strictObject({ id: z.uuid() }),
        body: z.strictObject({ because: z.string().trim().min(1).max(1_000) }),
        response: { 200: barSchema },
      },
    },
    async (request) => {
      const { id } = request.params;
      const by = nameOf(request.actor);
      const { because } = request.body;
      return await db.begin(async (tx) => {
        const bar = await liftBar(tx, id, { at: world.now(), by, because });
        if (bar === null) {
          throw new Fault(
            "not_found",
            `There is no bar ${id}: list them with \`lastgood bars list\`.`,
          );
        }
        await audit(tx, {
          at: world.now(),
          actor: by,
          action: "bar.lifted",
          target: `${bar.repository} ${bar.commit}`,
          outcome: "done",
          because,
        });
        return toApi(bar);
      });
    },
  );
}

export function toApi(bar: Bar): ApiBar {
  const { barredAt, lifted, ...rest } = bar;
  return {
    ...rest,
    barredAt: barredAt.toISOString(),
    lifted: lifted === null ? null : { ...lifted, at: lifted.at.toISOString() },
  };
}
