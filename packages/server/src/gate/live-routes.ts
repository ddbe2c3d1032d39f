import type { LiveLook as ApiLook } from "@lastgood/sdk";
import { z } from "zod";
import type { App } from "../http/app.ts";
import { requireArtifact } from "../releases/artifact-store.ts";
import { artifact, environment } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { LiveLooks } from "./live-looks.ts";
import { type LiveLook, listLooks } from "./live-store.ts";

const tags = ["gate"];
const lookSchema: z.ZodType<ApiLook> = z.object({
  environment: z.string(),
  artifact: z.string(),
  version: z.string(),
  prior: z.string().nullable(),
  at: z.string(),
  tookMs: z.number(),
  ok: z.boolean().nullable(),
  passed: z.number(),
  checks: z.number(),
  says: z.string(),
  failing: z.array(z.object({ check: z.string(), why: z.string() })),
});

/** What the bank says of what serves. */
export function liveRoutes(
  app: App,
  { db, looks }: { readonly db: Db; readonly looks: LiveLooks },
) {
  app.get(
    "/v1/live-looks",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What the bank said of the releases that serve; what fails comes first",
        response: { 200: z.object({ looks: z.array(lookSchema) }) },
      },
    },
    async () => ({ looks: (await listLooks(db)).map(lookToApi) }),
  );

  app.post(
    "/v1/environments/:environment/pins/:artifact/look",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Ask the bank's checks of the release that serves now; waits for what they say",
        params: z.strictObject({ environment, artifact }),
        response: { 200: lookSchema },
      },
    },
    async ({ params }) => {
      await requireArtifact(db, params.artifact);
      return lookToApi(await looks.look(params));
    },
  );
}

function lookToApi({ at, known: _known, turn: _turn, ...look }: LiveLook): ApiLook {
  return { ...look, at: at.toISOString() };
}
