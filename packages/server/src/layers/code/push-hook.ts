/**
 * What a forge tells of a push: signed over the raw body (GitHub, Gitea, Forgejo) or with the secret in a
 * header (GitLab). It only makes the watch look now, so one told twice or late does no harm, and nothing
 * in its body is believed.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { Fault } from "../../fault.ts";
import type { App } from "../../http/app.ts";
import type { Code } from "./code.ts";
import type { Repository } from "./repositories.ts";

const bodyBytesMax = 4_194_304;
const paramsSchema = z.strictObject({ name: z.string().max(100) });

export interface PushHookDeps {
  readonly code: Code;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export function pushHook(app: App, { code, environment }: PushHookDeps): void {
  // A scope of its own: here alone, bodies stay the bytes that were signed.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "*",
      { parseAs: "buffer", bodyLimit: bodyBytesMax },
      async (_request: unknown, body: Buffer) => body,
    );
    scope.post(
      "/v1/hooks/repositories/:name",
      {
        config: { allow: "public" },
        schema: {
          tags: ["code"],
          summary: "A forge's push webhook, signed with the repository's hookSecret",
          security: [],
          params: paramsSchema,
        },
      },
      async (request, reply) => {
        const { name } = request.params as z.infer<typeof paramsSchema>;
        const repository = await code.repositories.find(name).catch(unknownIsUnsigned);
        requireSigned(repository, environment, request.body, request.headers);
        code.watch.wake(name);
        return await reply.code(202).send();
      },
    );
  });
}

/** Without a secret nobody learns which repositories there are. */
function unknownIsUnsigned(error: unknown): never {
  if (error instanceof Fault && error.code === "not_found") throw unsigned();
  throw error;
}

function requireSigned(
  { hookSecret }: Repository,
  environment: PushHookDeps["environment"],
  body: unknown,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): void {
  const secret = hookSecret === null ? undefined : environment[hookSecret];
  if (secret === undefined || secret === "") throw unsigned();
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const signature = createHmac("sha256", secret).update(bytes).digest("hex");
  const given = (name: string) => {
    const value = headers[name];
    return typeof value === "string" ? value : "";
  };
  const fits =
    isSame(given("x-hub-signature-256"), `sha256=${signature}`) ||
    isSame(given("x-gitea-signature"), signature) ||
    isSame(given("x-gitlab-token"), secret);
  if (!fits) throw unsigned();
}

/** In a time that tells nothing, whatever the lengths. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

function unsigned(): Fault {
  return new Fault(
    "unauthenticated",
    "This is not signed with the repository's secret: name the variable that holds it in `repositories.<name>.hookSecret`, and give the forge the same secret.",
  );
}
