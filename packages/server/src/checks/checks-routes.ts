import type {
  BankCheck as ApiCheck,
  CheckBank,
  Evaluator,
  FoundCheck,
  JsonValue,
  StoredCheck,
} from "@lastgood/sdk";
import { z } from "zod";
import { artifactName } from "../config/release-settings.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Bank } from "./bank.ts";
import { checkName, newCheckSchema } from "./check-file.ts";

export interface CheckRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly bank: Bank;
}

const tags = ["checks"];
const json: z.ZodType<JsonValue> = z.json();
/** They come from the bank, where they were parsed. */
const evaluator = z.custom<Evaluator>((value) => typeof value === "object" && value !== null);
const checkSchema: z.ZodType<ApiCheck> = z.object({
  name: z.string(),
  artifact: z.string(),
  bank: z.enum(["checks", "adversarial"]),
  because: z.string(),
  incident: z.string().nullable(),
  atLeast: z.number(),
  wrong: json.optional(),
  cases: z.array(z.object({ name: z.string(), input: json, expected: json.optional(), evaluator })),
});
const bankSchema: z.ZodType<CheckBank> = z.object({
  folder: z.string(),
  checks: z.array(checkSchema),
  faulty: z.array(
    z.object({ file: z.string(), artifact: z.string().nullable(), says: z.string() }),
  ),
});
const found = { check: checkSchema, file: z.string() };
const foundSchema: z.ZodType<FoundCheck> = z.object(found);
const storedSchema: z.ZodType<StoredCheck> = z.object({
  ...found,
  committed: z.boolean().nullable(),
  already: z.boolean(),
});

export function checksRoutes(app: App, { db, world, bank }: CheckRoutesDeps): void {
  app.get(
    "/v1/checks",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "The bank of checks, and the files in it that are none",
        querystring: z.strictObject({ artifact: artifactName.optional() }),
        response: { 200: bankSchema },
      },
    },
    async ({ query }) => await bank.read(query.artifact),
  );

  app.get(
    "/v1/checks/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One check of the bank",
        params: z.strictObject({ name: checkName }),
        response: { 200: foundSchema },
      },
    },
    async ({ params }) => await bank.find(params.name),
  );

  app.post(
    "/v1/checks",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Add a check to the bank, with evaluators that are Lastgood's own",
        body: newCheckSchema,
        response: { 200: storedSchema },
      },
    },
    async ({ actor, body }) => {
      const { because = "", bank: into = "checks", atLeast = 1, ...rest } = body;
      const stored = await bank.add({ ...rest, because, bank: into, atLeast, incident: null });
      await audit(db, {
        ...{ at: world.now(), actor: nameOf(actor), action: "check.added" },
        ...{ target: stored.check.name, outcome: "done", because },
      });
      return stored;
    },
  );
}
