import type { Repository as ApiRepository, CommitReport } from "@lastgood/sdk";
import { z } from "zod";
import { parseDuration } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { audit } from "../../http/audit.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import { barSchema, toApi as toApiBar } from "./bars-routes.ts";
import { barredAmong, listBars } from "./bars-store.ts";
import type { Code } from "./code.ts";
import type { Repository } from "./repositories.ts";
import { recordedAmong } from "./repositories-store.ts";

/** The shape that the SDK's `Repository` states; a difference between the two does not compile. */
const repositorySchema: z.ZodType<ApiRepository> = z.object({
  name: z.string(),
  url: z.string(),
  branch: z.string(),
  deliver: z.enum(["push", "branch"]),
  credentials: z.string().nullable(),
  pollMs: z.number(),
  source: z.enum(["configuration", "registered"]),
  state: z.enum(["starting", "watching", "empty", "failing"]),
  tip: z.string().nullable(),
  lookedAt: z.string().nullable(),
  problem: z.object({ code: z.string(), detail: z.string(), since: z.string() }).nullable(),
  bars: z.number(),
});

const commitSchema: z.ZodType<CommitReport> = z.object({
  id: z.string(),
  parents: z.array(z.string()),
  author: z.object({ name: z.string(), email: z.string() }),
  committedAt: z.string(),
  subject: z.string(),
  patchId: z.string().nullable(),
  paths: z.array(z.string()),
  change: z.uuid().nullable(),
  onBranch: z.boolean(),
  barred: barSchema.nullable(),
});

const name = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,99}$/, "a name: letters, digits, `.`, `_` or `-`, at most 100");

const newRepositorySchema = z.strictObject({
  name,
  url: z.string().min(1).max(2_000),
  branch: z.string().min(1).max(200).default("main"),
  deliver: z.enum(["push", "branch"]).default("push"),
  credentials: z
    .string()
    .max(100)
    // Any other name would let whoever registers a repository send a secret of ours to it.
    .regex(/^LASTGOOD_GIT_[A-Z0-9_]+$/, "a variable whose name starts with LASTGOOD_GIT_")
    .optional(),
  poll: z
    .string()
    .regex(/^\d{1,6}(ms|s|m|h)$/, "a span of time such as 2s")
    .default("2s"),
});

export interface CodeRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly code: Code;
}

const lookMsMax = 170_000;

export function codeRoutes(app: App, deps: CodeRoutesDeps): void {
  const { db, world, code } = deps;
  const { repositories, watch } = code;
  const params = z.strictObject({ name });
  const show = async (repository: Repository) => {
    const filter = { repository: repository.name, lifted: false, limit: 10_000 };
    return toApi(repository, watch.statusOf(repository.name), (await listBars(db, filter)).length);
  };

  app.get(
    "/v1/repositories",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["code"],
        summary: "Repositories that are watched, with how the watch goes",
        response: { 200: z.object({ repositories: z.array(repositorySchema) }) },
      },
    },
    async () => ({ repositories: await Promise.all((await repositories.all()).map(show)) }),
  );

  app.get(
    "/v1/repositories/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["code"],
        summary: "One repository",
        params,
        response: { 200: repositorySchema },
      },
    },
    async (request) => await show(await repositories.find(request.params.name)),
  );

  app.post(
    "/v1/repositories",
    {
      config: { allow: "admin" },
      schema: {
        tags: ["code"],
        summary: "Register a repository; its last 500 commits are recorded as history",
        body: newRepositorySchema,
        response: { 201: repositorySchema },
      },
    },
    async (request, reply) => {
      const { poll, credentials = null, ...body } = request.body;
      const pollMs = parseDuration(poll, "poll");
      await repositories.register({ ...body, credentials, pollMs }, nameOf(request.actor));
      try {
        await watch.look(body.name, AbortSignal.timeout(lookMsMax));
      } catch (error) {
        // What cannot be read now is not taken up: its sender is told why, and may try again.
        await repositories.remove(body.name);
        throw error;
      }
      await audit(db, {
        at: world.now(),
        actor: nameOf(request.actor),
        action: "repository.registered",
        target: body.name,
        outcome: "done",
        because: "",
      });
      await watch.refresh();
      return await reply.code(201).send(await show(await repositories.find(body.name)));
    },
  );

  app.delete(
    "/v1/repositories/:name",
    {
      config: { allow: "admin" },
      schema: {
        tags: ["code"],
        summary: "Stop watching a registered repository; what was recorded of it stays",
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await repositories.remove(request.params.name);
      await audit(db, {
        at: world.now(),
        actor: nameOf(request.actor),
        action: "repository.removed",
        target: request.params.name,
        outcome: "done",
        because: "",
      });
      await watch.refresh();
      return await reply.code(204).send();
    },
  );

  app.post(
    "/v1/repositories/:name/pushed",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["code"],
        summary: "Something was pushed: look at once (with ?wait=true, answer when it is recorded)",
        params,
        querystring: z.strictObject({ wait: z.enum(["true", "false"]).default("false") }),
        response: { 200: repositorySchema, 202: repositorySchema },
      },
    },
    async (request, reply) => {
      const repository = await repositories.find(request.params.name);
      if (request.query.wait === "true") {
        await watch.look(repository.name, AbortSignal.timeout(lookMsMax));
        return await show(repository);
      }
      watch.wake(repository.name);
      return await reply.code(202).send(await show(repository));
    },
  );

  commitRoute(app, deps);
}

function commitRoute(app: App, { db, code }: CodeRoutesDeps): void {
  app.get(
    "/v1/repositories/:name/commits/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["code"],
        summary: "One commit, and whether it is barred",
        params: z.strictObject({
          name,
          id: z.string().regex(/^[0-9a-f]{7,64}$/, "a commit's id, at least 7 digits of it"),
        }),
        response: { 200: commitSchema },
      },
    },
    async (request) => {
      const mirror = await code.mirrors.of(request.params.name);
      const commit = await mirror.find(request.params.id);
      if (commit === null) {
        throw new Fault(
          "not_found",
          `${request.params.name} has no commit ${request.params.id}: give more of its id, or tell Lastgood of the push with \`lastgood repositories pushed ${request.params.name}\`.`,
        );
      }
      const tip = await mirror.tip();
      const recorded = await recordedAmong(db, mirror.repository, [commit.id]);
      const [barred] = await barredAmong(db, mirror.repository, [commit]);
      return {
        id: commit.id,
        parents: commit.parents,
        author: { name: commit.authorName, email: commit.authorEmail },
        committedAt: commit.committedAt.toISOString(),
        subject: commit.subject,
        patchId: commit.patchId,
        paths: commit.paths.slice(0, 1_000),
        change: recorded.get(commit.id)?.change ?? null,
        onBranch: tip !== null && (await mirror.isAncestor(commit.id, tip)),
        barred: barred === undefined ? null : toApiBar(barred.bar),
      };
    },
  );
}

function toApi(
  repository: Repository,
  status: ReturnType<Code["watch"]["statusOf"]>,
  bars: number,
): ApiRepository {
  const { migrations: _migrations, hookSecret: _hookSecret, ...rest } = repository;
  const { problem, lookedAt, ...state } = status;
  return {
    ...rest,
    ...state,
    lookedAt: lookedAt?.toISOString() ?? null,
    problem: problem === null ? null : { ...problem, since: problem.since.toISOString() },
    bars,
  };
}
