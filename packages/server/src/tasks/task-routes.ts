import { z } from "zod";
import { actingAgent } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { jsonWithin } from "../json/json-within.ts";
import type { Db } from "../store/database.ts";
import { findHistory } from "./history-store.ts";
import {
  block,
  claim,
  complete,
  detailsBytesMax,
  fail,
  moveSubtask,
  release,
  reopen,
  subtasksMax,
  unblock,
} from "./task.ts";
import type { TaskDesk } from "./task-desk.ts";
import {
  assignedSchema,
  because,
  eventSchema,
  limit,
  newTaskSchema,
  querySchema,
  session,
  taskId,
  taskSchema,
  toApi,
} from "./task-schemas.ts";
import { findTasks, requireTask } from "./task-store.ts";

export interface TaskRoutesDeps {
  readonly db: Db;
  readonly desk: TaskDesk;
}

const tags = ["tasks"];
const params = z.strictObject({ id: taskId });
const response = { 200: taskSchema };

export function taskRoutes(app: App, deps: TaskRoutesDeps): void {
  readRoutes(app, deps);
  assignRoutes(app, deps);
  claimRoutes(app, deps);
  endRoutes(app, deps);
}

function readRoutes(app: App, { db }: TaskRoutesDeps): void {
  app.get(
    "/v1/tasks",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Tasks, what changed last first",
        querystring: querySchema,
        response: { 200: z.object({ tasks: z.array(taskSchema), more: z.boolean() }) },
      },
    },
    async ({ query }) => {
      const found = await findTasks(db, { ...query, limit: query.limit + 1 });
      return { tasks: found.slice(0, query.limit).map(toApi), more: found.length > query.limit };
    },
  );

  app.get(
    "/v1/tasks/:id",
    { config: { allow: "viewer" }, schema: { tags, summary: "One task", params, response } },
    async ({ params: { id } }) => toApi((await requireTask(db, id)).task),
  );

  app.get(
    "/v1/tasks/:id/history",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What happened to a task in the last 90 days, newest first",
        params,
        querystring: z.strictObject({ limit }),
        response: { 200: z.object({ history: z.array(eventSchema), more: z.boolean() }) },
      },
    },
    async ({ params: { id }, query }) => {
      await requireTask(db, id);
      const found = await findHistory(db, id, query.limit + 1);
      const history = found.map((each) => ({ ...each, at: each.at.toISOString() }));
      return { history: history.slice(0, query.limit), more: found.length > query.limit };
    },
  );
}

function assignRoutes(app: App, { desk }: TaskRoutesDeps): void {
  app.post(
    "/v1/tasks",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Assign a task; the same content under the same id again changes nothing",
        body: newTaskSchema,
        response: { 200: assignedSchema },
      },
    },
    async ({ actor, body }) => {
      const { agent = null, role = null, artifact = null, details, assigner, ...rest } = body;
      return await desk.assign(actor, {
        ...{ ...rest, agent, role, artifact },
        // An agent assigns under its own name; an operator may for another.
        assigner: actingAgent(actor, assigner),
        details: jsonWithin(details, detailsBytesMax, "details"),
      });
    },
  );

  app.post(
    "/v1/tasks/:id/unblock",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "What blocked the task is gone: it is pending again, and its assignee is told",
        params,
        body: z.strictObject({ because }),
        response,
      },
    },
    ({ actor, body, params: { id } }) =>
      desk.outside(actor, id, { act: "unblock", because: body.because }, unblock),
  );

  app.post(
    "/v1/tasks/:id/reopen",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "A completed task must be done again, from one of its subtasks on",
        params,
        body: z.strictObject({
          because,
          fromSubtask: z.number().int().min(1).max(subtasksMax).default(1),
        }),
        response,
      },
    },
    ({ actor, body, params: { id } }) =>
      desk.outside(actor, id, { act: "reopen", because: body.because }, (task, at) =>
        reopen(task, body.fromSubtask, at),
      ),
  );
}

function claimRoutes(app: App, { desk }: TaskRoutesDeps): void {
  const body = z.strictObject({ session });

  app.post(
    "/v1/tasks/:id/claim",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Claim a task for a session; it is free again when the session ends",
        params,
        body,
        response,
      },
    },
    ({ actor, body: { session }, params: { id } }) =>
      desk.inSession(actor, { id, session }, { act: "claim" }, claim),
  );

  app.post(
    "/v1/tasks/:id/release",
    {
      config: { allow: "agent" },
      schema: { tags, summary: "Give a claimed task back", params, body, response },
    },
    ({ actor, body: { session }, params: { id } }) =>
      desk.inSession(actor, { id, session }, { act: "release" }, (task, { since }) =>
        release(task, session, since),
      ),
  );

  app.post(
    "/v1/tasks/:id/subtasks/:n",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "A subtask of a claimed task was begun or completed",
        params: params.extend({ n: z.coerce.number().int().min(1).max(subtasksMax) }),
        body: z.strictObject({ session, state: z.enum(["in_progress", "completed"]) }),
        response,
      },
    },
    ({ actor, body: { session, state: to }, params: { id, n } }) =>
      desk.inSession(actor, { id, session }, { act: "subtask", subtask: n }, (task, { since }) =>
        moveSubtask(task, { session, n, to }, since),
      ),
  );
}

function endRoutes(app: App, { desk }: TaskRoutesDeps): void {
  app.post(
    "/v1/tasks/:id/complete",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "A claimed task is done; its assigner is told once",
        params,
        body: z.strictObject({ session, result: z.unknown().optional() }),
        response,
      },
    },
    ({ actor, body, params: { id } }) => {
      const { session } = body;
      const result = jsonWithin(body.result, detailsBytesMax, "result");
      return desk.inSession(actor, { id, session }, { act: "complete" }, (task, { since }) =>
        complete(task, session, result, since),
      );
    },
  );

  for (const [act, arrow, summary] of [
    [
      "fail",
      fail,
      "A claimed task was tried and failed: it is blocked, and its assigner told once",
    ],
    ["block", block, "A claimed task cannot go on: it is blocked, and its assigner told once"],
  ] as const) {
    app.post(
      `/v1/tasks/:id/${act}`,
      {
        config: { allow: "agent" },
        schema: { tags, summary, params, body: z.strictObject({ session, because }), response },
      },
      ({ actor, body: { session, because }, params: { id } }) =>
        desk.inSession(actor, { id, session }, { act, because }, (task, { since }) =>
          arrow(task, session, because, since),
        ),
    );
  }
}
