import type {
  CheckpointCommit,
  SavedWorkTree,
  UncommittedFile,
  WorkTreeReport,
} from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { actingAgent } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { bundleBytesMax } from "./bundle.ts";

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** PostgreSQL holds no NUL. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\0]*$/, "without NUL");
const objectId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "a full object id");
const moment = z.iso.datetime({ offset: true });

const commitSchema: z.ZodType<CheckpointCommit> = z.strictObject({
  commit: objectId,
  at: moment,
  author: text(1_000),
  type: text(200).nullable(),
  scope: text(200).nullable(),
  summary: text(2_000),
  task: text(500).nullable(),
  subtask: z.strictObject({ n: count, of: count }).nullable(),
});

const fileSchema: z.ZodType<UncommittedFile> = z.strictObject({
  path: text(20_000),
  status: z.enum(["new", "modified", "deleted"]),
  kind: z.enum(["file", "link", "other"]),
  bytes: count,
  lines: count.nullable(),
  words: count.nullable(),
  newLines: count.nullable(),
  newWords: count.nullable(),
  excerpt: text(1_000).nullable(),
});

const reportSchema: z.ZodType<WorkTreeReport> = z.strictObject({
  path: text(4_096),
  host: text(2_000),
  readAt: moment,
  source: z.enum(["disk", "saved"]),
  branch: text(1_000).nullable(),
  head: objectId.nullable(),
  commits: z.array(commitSchema).max(20),
  files: z.array(fileSchema).max(500),
  more: count,
  leftovers: z.array(text(2_000)).max(100),
  unread: z.array(text(2_000)).max(200),
});

/** The report of a bundle; `bad_input` for anything that is none. */
export function sentReport(json: Buffer): WorkTreeReport {
  const parsed = reportSchema.safeParse(parseJson(json.toString("utf8")));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Fault(
    "bad_input",
    `The bundle's report is none: ${issue?.path.join("/") ?? ""} ${issue?.message ?? ""}. Its form is at /openapi.json.`,
    { context: { path: `body/report/${issue?.path.join("/") ?? ""}` } },
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const savedSchema: z.ZodType<SavedWorkTree> = z.object({
  session: z.string(),
  agent: z.string(),
  save: z.string().nullable(),
  savedAt: z.string().nullable(),
  report: reportSchema.nullable(),
  holds: z.array(z.string()),
});

/** What the routes ask for. */
export interface SavedWorkTrees {
  /** `not_found` for a session that was never opened. */
  show(session: string): Promise<SavedWorkTree>;
  /** Takes a bundle in the session's name. `fenced` when that is over for good. */
  save(session: string, bundle: Buffer, signal: AbortSignal): Promise<SavedWorkTree>;
  /** The latest save as a bundle that stands on nothing. */
  bundle(session: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

const params = z.strictObject({ id: z.string().min(1).max(200) });
const tags = ["sessions"];

/** Uploads that are read into memory at once; more are told to come again. */
const atOnceMax = 8;
const unpackMsMax = 110_000;

export function workTreesRoutes(app: App, trees: SavedWorkTrees): void {
  app.get(
    "/v1/sessions/:id/work-tree",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary:
          "What was saved last of the session's work tree, and what the server holds of its agent's",
        params,
        response: { 200: savedSchema },
      },
    },
    async (request) => await trees.show(request.params.id),
  );

  app.get(
    "/v1/sessions/:id/work-tree/bundle",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "The work tree as it was saved last, as a git bundle that stands on nothing",
        params,
      },
    },
    async (request, reply) => {
      const { agent } = await trees.show(request.params.id);
      actingAgent(request.actor, agent);
      const bundle = await trees.bundle(request.params.id, AbortSignal.timeout(unpackMsMax));
      return await reply.type("application/octet-stream").send(Buffer.from(bundle.buffer));
    },
  );

  uploadRoute(app, trees);
}

function uploadRoute(app: App, trees: SavedWorkTrees): void {
  // A scope of its own: here alone, bodies are bytes, and may be large.
  app.register(async (scope) => {
    let underWay = 0;
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: bundleBytesMax },
      async (_request: unknown, body: Buffer) => body,
    );
    scope.addHook("onRequest", async (_request, reply) => {
      if (underWay >= atOnceMax) {
        throw new Fault("too_many", `${atOnceMax} work trees are being saved: try again shortly.`);
      }
      underWay += 1;
      reply.raw.once("close", () => {
        underWay -= 1;
      });
    });
    scope.put(
      "/v1/sessions/:id/work-tree",
      {
        config: { allow: "agent" },
        bodyLimit: bundleBytesMax,
        schema: {
          tags,
          summary:
            "Save the session's work tree: a git bundle of refs/lastgood/save and refs/lastgood/report",
          consumes: ["application/octet-stream"],
          params,
          response: { 200: savedSchema },
        },
      },
      async (request) => {
        const { id } = request.params as z.infer<typeof params>;
        const { agent } = await trees.show(id);
        actingAgent(request.actor, agent);
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        return await trees.save(id, body, AbortSignal.timeout(unpackMsMax));
      },
    );
  });
}
