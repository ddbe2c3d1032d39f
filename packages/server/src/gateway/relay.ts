/**
 * An answer on its way from an endpoint to a client.
 *
 *   R1. Whole events pass at once, as they came; a client never gets a torn one.
 *   R2. A stream that fails in its midst says so in the API's own words: none just ends.
 *   R3. A client that does not read holds up the endpoint, and is cut when it takes too long.
 *   R4. What an endpoint says went wrong passes without the key that it was asked with. Its answers are left alone: a
 *       key may be a plain word.
 */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonValue } from "@lastgood/sdk";
import { type Dialect, newReading, type Reading } from "./dialect.ts";
import { type Endpoint, EndpointTrouble, passOn } from "./endpoint.ts";
import { keepable } from "./passed.ts";
import { createEventSplitter, EventTooLarge } from "./sse.ts";

export const answerBytesMax = 33_554_432;
const eventBytesMax = 1_048_576;
const readMsMax = 30_000;

/** How it went. */
export interface Relayed {
  readonly status: number;
  /** Whether the client has the whole of a good answer. */
  readonly ok: boolean;
  readonly firstByteAt: number;
  readonly reading: Reading;
  /** What went wrong on the endpoint's side; null for what went well. */
  readonly error: string | null;
}

export interface RelayDeps {
  readonly dialect: Dialect;
  readonly endpoint: Endpoint;
  /** The client did not ask for the tokens of a stream: what tells only them is ours. */
  readonly hidesUsage: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** The client went away. */
export class ClientLeft extends Error {
  override readonly name = "ClientLeft";
}

const passedBack =
  /^(content-type|request-id|x-request-id|retry-after|retry-after-ms|x-should-retry|x-ratelimit-.*|anthropic-.*|openai-.*)$/;

export async function relay(
  answer: IncomingMessage,
  client: ServerResponse,
  deps: RelayDeps,
): Promise<Relayed> {
  const type = String(answer.headers["content-type"] ?? "");
  const isStream = type.startsWith("text/event-stream") && answer.statusCode === 200;
  return isStream
    ? await relayStream(answer, client, deps)
    : await relayWhole(answer, client, deps);
}

function headersOf(answer: IncomingMessage, ours: Readonly<Record<string, string>>) {
  const theirs = Object.entries(answer.headers).filter(([name]) => passedBack.test(name));
  return { ...Object.fromEntries(theirs), ...ours };
}

async function relayWhole(
  answer: IncomingMessage,
  client: ServerResponse,
  { dialect, endpoint, headers, signal }: RelayDeps,
): Promise<Relayed> {
  const firstByteAt = performance.now();
  const chunks: Buffer[] = [];
  const bounds = { ...endpoint.config, bytesMax: answerBytesMax };
  await passOn(answer, bounds, signal, (chunk) => void chunks.push(chunk));
  const status = answer.statusCode ?? 502;
  const bytes = Buffer.concat(chunks);
  const reading = newReading();
  const text = bytes.toString("utf8");
  const parsed = parsedJson(text);
  if (status === 200 && parsed !== undefined) dialect.readAnswer(parsed, reading);
  const isBad = status >= 400;
  const ok = !isBad && parsed !== undefined && reading.error === null;
  // R4.
  const said = ok ? bytes : Buffer.from(endpoint.withoutKey(text));
  client.writeHead(status, {
    ...headersOf(answer, headers),
    "content-length": said.length,
  });
  client.end(said);
  const says = isBad ? `it answered ${status}` : "its answer is no JSON";
  const error = ok ? null : (errorOf(reading, endpoint) ?? says);
  return { status, ok, firstByteAt, reading, error };
}

async function relayStream(
  answer: IncomingMessage,
  client: ServerResponse,
  { dialect, endpoint, hidesUsage, headers, signal }: RelayDeps,
): Promise<Relayed> {
  const reading = newReading();
  const splitter = createEventSplitter(eventBytesMax);
  let firstByteAt = 0;
  client.writeHead(200, headersOf(answer, { ...headers, "cache-control": "no-cache" }));
  try {
    const bounds = { ...endpoint.config, bytesMax: answerBytesMax };
    await passOn(answer, bounds, signal, (chunk) => {
      firstByteAt ||= performance.now();
      const passing: Buffer[] = [];
      for (const event of splitter.push(chunk)) {
        const isTheirs = dialect.readEvent(event, reading);
        if (!isTheirs && hidesUsage) continue;
        // R4.
        passing.push(reading.error === null ? event.bytes : withoutKey(event.bytes, endpoint));
      }
      return passing.length > 0 ? write(client, passing, signal) : undefined;
    });
    if (splitter.rest() > 0 || !reading.isComplete) {
      if (reading.error === null) {
        throw new EndpointTrouble("endpoint_ended_early", "its answer ended before it was whole");
      }
    }
  } catch (error) {
    const trouble = troubleOf(error);
    if (trouble === null) throw error;
    // R2.
    if (!client.destroyed) client.end(dialect.errorEvent(trouble.kind, saysOf(endpoint, trouble)));
    return { status: 200, ok: false, firstByteAt, reading, error: trouble.message };
  }
  client.end();
  const error = errorOf(reading, endpoint);
  return { status: 200, ok: error === null, firstByteAt, reading, error };
}

const errorMax = 300;

/** What the endpoint says went wrong, as it can be kept. */
export function errorOf({ error }: Reading, endpoint: Endpoint): string | null {
  return error === null ? null : keepable(endpoint.withoutKey(error).slice(0, errorMax));
}

function withoutKey(bytes: Buffer, endpoint: Endpoint): Buffer {
  const text = bytes.toString("utf8");
  const said = endpoint.withoutKey(text);
  return said === text ? bytes : Buffer.from(said);
}

function troubleOf(error: unknown): EndpointTrouble | null {
  if (error instanceof EndpointTrouble) return error;
  if (!(error instanceof EventTooLarge)) return null;
  const says = `one event of its answer has more than ${eventBytesMax} bytes`;
  return new EndpointTrouble("endpoint_flooded", says, error);
}

export function saysOf({ name }: Pick<Endpoint, "name">, { message }: EndpointTrouble): string {
  return `The endpoint ${name} failed: ${message}. Try again.`;
}

/** R3. What is to be waited for before more is written: it rejects with `ClientLeft`. */
function write(
  client: ServerResponse,
  parts: readonly Buffer[],
  signal: AbortSignal,
): Promise<void> | undefined {
  const [only] = parts;
  const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return client.write(bytes) ? undefined : drained(client, signal);
}

async function drained(client: ServerResponse, signal: AbortSignal): Promise<void> {
  if (client.destroyed) throw new ClientLeft();
  const tooLong = AbortSignal.timeout(readMsMax);
  try {
    await once(client, "drain", { signal: AbortSignal.any([signal, tooLong]) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    client.destroy();
    throw new ClientLeft("the client did not read what it asked for", { cause: error });
  }
}

/** Undefined for what is none. */
export function parsedJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
