import { createHash } from "node:crypto";
import { pipeline, Transform } from "node:stream";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { Fault } from "../../fault.ts";
import { nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { answerProblem } from "../../http/problem.ts";
import type { Core } from "./core.ts";
import { payloadKeptBytes } from "./message.ts";
import { publishedSchema } from "./messages-schemas.ts";
import { publish, recordRefused } from "./post.ts";

/** What is refused must still be read, so that its size and hash can be recorded. */
const bodyBytesMax = 16 * 1024 * 1024;

const messageSchema = z.strictObject({
  subject: z.string().max(1_000).optional(),
  agent: z.string().max(100).optional(),
  role: z.string().max(100).optional(),
  id: z.string().max(1_000).optional(),
  payload: z.unknown(),
  headers: z.record(z.string().max(200), z.string().max(4_000)).optional(),
  sender: z.string().min(1).max(100).optional(),
  offload: z.boolean().optional(),
});

export function publishRoutes(app: App, core: Core): void {
  const tallies = new WeakMap<FastifyRequest, Tally>();
  const read = new WeakSet<FastifyRequest>();
  app.post(
    "/v1/messages",
    {
      config: { allow: "agent" },
      bodyLimit: bodyBytesMax,
      preParsing: async (request, _reply, body) => {
        const tally = createTally();
        tallies.set(request, tally);
        return pipeline(body, tally.stream, () => {});
      },
      // A body that never became a message is kept as a dead letter, as far as it could be read.
      errorHandler: async (error, request, reply) => {
        const tally = tallies.get(request);
        if (tally !== undefined && !read.has(request) && refusesForm(error)) {
          await refuseBody(core, request, tally, error.message);
        }
        await answerProblem(error, request, reply);
      },
      schema: {
        tags: ["messages"],
        summary: "Publish a message to a subject, an agent's inbox or a role's inbox",
        body: messageSchema,
        response: { 200: publishedSchema },
      },
    },
    async (request) => {
      read.add(request);
      const { sender, ...message } = request.body;
      const defined = Object.fromEntries(
        Object.entries(message).filter(([, value]) => value !== undefined),
      );
      return await publish(core, { payload: null, ...defined }, senderOf(request, sender));
    },
  );
}

/** An agent sends under its own name; an operator may send for another. */
function senderOf({ actor }: FastifyRequest, named: string | undefined): string {
  if (named === undefined || named === nameOf(actor)) return nameOf(actor);
  if (actor.role === "agent") {
    throw new Fault(
      "not_yours",
      `This token belongs to the agent ${actor.agent} and cannot send as ${named}: leave out sender.`,
      { context: { path: "sender" } },
    );
  }
  return named;
}

interface Tally {
  readonly stream: Transform;
  size(): number;
  kept(): Buffer;
  digest(): string;
}

function createTally(): Tally {
  const hash = createHash("sha256");
  let size = 0;
  let kept = Buffer.alloc(0);
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      if (kept.length < payloadKeptBytes) {
        kept = Buffer.concat([kept, chunk]).subarray(0, payloadKeptBytes);
      }
      done(null, chunk);
    },
  });
  return { stream, size: () => size, kept: () => kept, digest: () => hash.copy().digest("hex") };
}

function refusesForm(error: { readonly statusCode?: number | undefined }): boolean {
  if (error instanceof Fault) return ["too_deep", "bad_input", "too_large"].includes(error.code);
  const status = error.statusCode ?? 500;
  return status === 400 || status === 413 || status === 415;
}

async function refuseBody(
  core: Core,
  request: FastifyRequest,
  tally: Tally,
  detail: string,
): Promise<void> {
  const announced = Number(request.headers["content-length"] ?? 0);
  const size = Math.max(tally.size(), announced);
  await recordRefused(core, {
    reason: size > bodyBytesMax ? "oversized" : "malformed",
    detail: detail.slice(0, 1_000),
    ...{ stream: null, messageId: "unread", subject: "", headers: {}, complete: false },
    sender: nameOf(request.actor),
    kept: tally.kept(),
    size,
    sha256: tally.digest(),
  });
}
