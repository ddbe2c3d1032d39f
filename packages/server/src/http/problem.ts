import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { Fault, type FaultCode, faults } from "../fault.ts";

/** RFC 9457 problem details with our code, the place in the input, and a request id for bugs. */
export async function answerProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const fault = asFault(error);
  if (fault === null) request.log.error({ err: error }, "a bug answered 500");
  const code: FaultCode = fault?.code ?? "internal";
  const { status, retry } = faults[code];
  await reply
    .code(status)
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send({
      type: `https://lastgood.dev/faults/${code}`,
      title: code.replaceAll("_", " "),
      status,
      detail:
        fault?.message ??
        `Something broke inside Lastgood (request ${request.id}): its log has the cause under that id.`,
      code,
      retry,
      request: request.id,
      ...fault?.context,
    });
}

const places: Readonly<Record<string, string>> = { querystring: "query", params: "path" };

function asFault(error: FastifyError | Error): Fault | null {
  if (error instanceof Fault) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const place = places[error.validationContext ?? "body"] ?? "body";
    const path = `${place}${first?.instancePath ?? ""}`;
    return new Fault(
      "bad_input",
      `${path}: ${first?.message ?? "is not of the form asked for"}. The form is at /openapi.json.`,
      { context: { path } },
    );
  }
  return "code" in error ? fromFastify(error) : null;
}

function fromFastify(error: FastifyError): Fault | null {
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new Fault("too_large", "The body is larger than this route takes: send less at once.");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new Fault("unsupported_media_type", "Send JSON: content-type: application/json.");
    case "FST_ERR_BAD_URL":
      return new Fault("bad_input", "The path is no URL of UTF-8: encode each part of it.", {
        context: { path: "path" },
      });
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new Fault("bad_input", "The body is not JSON: check it with a JSON parser.", {
        context: { path: "body" },
      });
    default:
      return error.statusCode !== undefined && error.statusCode < 500
        ? new Fault("bad_input", error.message)
        : storeFault(error);
  }
}

const connectionCodes = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
]);
const statementTimedOut = "57014";
/** Of a text, and of a JSON value. */
const nulCodes = new Set(["22021", "22P05"]);

/** What PostgreSQL, or the way to it, says of a request; null for anything that is a bug of ours. */
function storeFault(error: FastifyError & { readonly severity?: string }): Fault | null {
  const away = connectionCodes.has(error.code) || error.severity === "FATAL";
  if (away || /^(08|53|57P)/.test(error.code)) {
    return new Fault(
      "store_unreachable",
      "PostgreSQL is away or out of means: what was asked may not be done; see /health, and try again shortly.",
      { cause: error },
    );
  }
  if (error.code === statementTimedOut) {
    return new Fault(
      "timed_out",
      "PostgreSQL did not finish in time, and nothing was written: ask for less, or try again.",
      { cause: error },
    );
  }
  if (nulCodes.has(error.code)) {
    return new Fault(
      "bad_input",
      "A text holds a NUL or is no UTF-8, which PostgreSQL cannot keep: take it out.",
      { cause: error },
    );
  }
  return null;
}
