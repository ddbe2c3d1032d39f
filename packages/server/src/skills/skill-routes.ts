import { skillStates } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { plain } from "./plain.ts";
import { skillSchema, summarySchema, toSkill, toSummary } from "./skill-schemas.ts";
import { endSkill, listSkills, requireSkill, usesOf } from "./skill-store.ts";

export interface SkillRoutesDeps {
  readonly db: Db;
  readonly world: World;
}

const tags = ["skills"];
const usesMax = 50;
const params = z.strictObject({ name: z.string().min(1).max(100) });
const query = z.strictObject({
  state: z.enum([...skillStates, "all"]).default("active"),
  service: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(100),
});
const page = z.object({ skills: z.array(summarySchema), more: z.boolean() });

export function skillRoutes(app: App, { db, world }: SkillRoutesDeps): void {
  app.get(
    "/v1/skills",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What verified recoveries taught, last changed first",
        querystring: query,
        response: { 200: page },
      },
    },
    async ({ query: { limit, ...filter } }) => {
      const found = await listSkills(db, { ...filter, limit: limit + 1 });
      return { skills: found.slice(0, limit).map(toSummary), more: found.length > limit };
    },
  );

  app.get(
    "/v1/skills/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One skill: SKILL.md, playbook.json, and the incidents it was used in",
        params,
        response: { 200: skillSchema },
      },
    },
    async ({ params: { name } }) => {
      const skill = await requireSkill(db, name);
      return toSkill(skill, await usesOf(db, skill.id, usesMax));
    },
  );

  app.post(
    "/v1/skills/:name/retire",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Take a skill away: it is not used or handed out any more",
        params,
        body: z.strictObject({ because: z.string().trim().min(1).max(500) }),
        response: { 200: skillSchema },
      },
    },
    async ({ actor, params: { name }, body: { because } }) => {
      const at = world.now();
      const by = nameOf(actor);
      const skill = await db.begin(async (tx) => {
        const found = await requireSkill(tx, name);
        const why = `${by}: ${plain(because, 500)}`;
        if (!(await endSkill(tx, found.id, { state: "retired", because: why, at }))) {
          throw new Fault(
            "state_forbids",
            `The skill ${name} is ${found.state} already (${found.because}): nothing uses it.`,
          );
        }
        const action = "skill.retired";
        await audit(tx, { at, actor: by, action, target: name, outcome: "done", because });
        return found;
      });
      return toSkill(await requireSkill(db, name), await usesOf(db, skill.id, usesMax));
    },
  );
}
