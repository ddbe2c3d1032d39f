import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Actor, Role } from "./actor.ts";

/** The HTTP server as rooms see it: they add their routes to it, with zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

declare module "fastify" {
  interface FastifyContextConfig {
    /** The least role that may call this route. A `/v1` route without one does not start. */
    allow?: Role | "public";
    /** How old what is known of the token may be, where looking it up each time would cost too much. */
    tokenMsMax?: number;
    /** What a session that is over says here is heard, and refused by the route itself. */
    heardAfterEnd?: boolean;
  }
  interface FastifyRequest {
    /** Who calls. Set before any handler of a route that is not public. */
    actor: Actor;
  }
}
