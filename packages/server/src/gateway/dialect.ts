/**
 * The two APIs that are spoken here. What differs between them is in one object each; nothing of it does I/O.
 */
import type { JsonValue } from "@lastgood/sdk";
import type { Json } from "../json/canonical.ts";
import type { StreamedEvent } from "./sse.ts";
import { toldAsText } from "./told-tools.ts";

export type Body = Readonly<Record<string, JsonValue>>;

/** What is read out of an answer while it passes. */
export interface Reading {
  text: string;
  tokens: number | null;
  /** Those that were read in, where they are told apart. */
  inputTokens: number;
  /** It asked for tools: its text alone says nothing. */
  usesTools: boolean;
  /** Its end was announced by the endpoint. */
  isComplete: boolean;
  /** What the endpoint says went wrong, as it says it: it may repeat its key there. */
  error: string | null;
}

export interface Dialect {
  readonly api: "openai" | "anthropic";
  /** Where clients ask. */
  readonly path: string;
  /** Below the endpoint's base URL. */
  readonly below: string;
  /** How the endpoint's key is presented. */
  keyHeaders(key: string): Readonly<Record<string, string>>;
  /** Headers that the endpoint gets, where the client does not say them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the client's that the endpoint gets. */
  readonly passed: readonly string[];
  /** Who the request is for, where the client says so. */
  userOf(body: Body): string | null;
  /** Asks for the tokens of a stream, where that has to be asked for: null where it is asked for already. */
  withUsage(body: Body): Body | null;
  /** Without anything that acts. */
  withoutTools(body: Body): Body;
  readAnswer(body: JsonValue, reading: Reading): void;
  /** False: an event that only we asked for, and the client must not see. */
  readEvent(event: StreamedEvent, reading: Reading): boolean;
  errorBody(type: string, message: string): Json;
  /** What tells a client of a stream that has begun that it failed. */
  errorEvent(type: string, message: string): string;
}

export const textMax = 1_048_576;
const tokensMax = 1e9;

export function newReading(): Reading {
  const tokens = { tokens: null, inputTokens: 0 };
  return { text: "", ...tokens, usesTools: false, isComplete: false, error: null };
}

function addText(reading: Reading, text: unknown): void {
  if (typeof text === "string" && reading.text.length < textMax) reading.text += text;
}

/** A field of an object; undefined of anything else. */
function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** A count of tokens; what an endpoint says beyond belief is none. */
function numberOf(value: unknown): number {
  return typeof value === "number" && value >= 0 && value <= tokensMax ? value : 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Endpoints say errors in many ways; null and undefined are none. */
function readError(error: unknown, reading: Reading): void {
  if (error === undefined || error === null) return;
  reading.error = textOf(error) ?? textOf(field(error, "message")) ?? "an error";
}

/** What an event says went wrong, where it says so by its name alone. */
function errorNamed({ name, data }: StreamedEvent, content: unknown): unknown {
  return name === "error" ? (field(content, "error") ?? content ?? data) : undefined;
}

function without(body: Body, names: readonly string[]): Body {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
}

export const openai: Dialect = {
  api: "openai",
  path: "/v1/chat/completions",
  below: "/chat/completions",
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  headers: {},
  passed: ["openai-organization", "openai-project"],
  userOf: (body) =>
    textOf(body.safety_identifier) ?? textOf(body.user) ?? textOf(body.prompt_cache_key),
  withUsage(body) {
    const { stream_options: options } = body;
    if (field(options, "include_usage") === true) return null;
    const given = typeof options === "object" && options !== null ? options : {};
    return { ...body, stream_options: { ...given, include_usage: true } };
  },
  withoutTools: (body) =>
    without(body, ["tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"]),
  readAnswer(body, reading) {
    const choices = field(body, "choices");
    const message = field(Array.isArray(choices) ? choices[0] : undefined, "message");
    addText(reading, field(message, "content"));
    if (field(message, "tool_calls") !== undefined) reading.usesTools = true;
    readOpenaiUsage(field(body, "usage"), reading);
    readError(field(body, "error"), reading);
    reading.isComplete = true;
  },
  readEvent(event, reading) {
    const { data } = event;
    if (data === null) return true;
    if (data === "[DONE]") {
      reading.isComplete = true;
      return true;
    }
    const chunk = parsed(data);
    readError(field(chunk, "error") ?? errorNamed(event, chunk), reading);
    readOpenaiUsage(field(chunk, "usage"), reading);
    const choices = field(chunk, "choices");
    if (!Array.isArray(choices)) return true;
    const [choice] = choices;
    // The chunk that holds nothing but the tokens.
    if (choice === undefined) return (field(chunk, "usage") ?? null) === null;
    const delta = field(choice, "delta");
    addText(reading, field(delta, "content"));
    if (field(delta, "tool_calls") !== undefined) reading.usesTools = true;
    if (textOf(field(choice, "finish_reason")) !== null) reading.isComplete = true;
    return true;
  },
  errorBody: (type, message) => ({ error: { message, type, param: null, code: type } }),
  errorEvent: (type, message) =>
    `data: ${JSON.stringify({ error: { message, type, param: null, code: type } })}\n\n`,
};

function readOpenaiUsage(usage: unknown, reading: Reading): void {
  const total = field(usage, "total_tokens");
  if (typeof total === "number") reading.tokens = numberOf(total);
}

export const anthropic: Dialect = {
  api: "anthropic",
  path: "/v1/messages",
  below: "/v1/messages",
  keyHeaders: (key) => ({ "x-api-key": key }),
  headers: { "anthropic-version": "2023-06-01" },
  passed: ["anthropic-version", "anthropic-beta"],
  userOf: (body) => textOf(field(body.metadata, "user_id")),
  withUsage: () => null,
  withoutTools(body) {
    const bare = without(body, ["tools", "tool_choice", "mcp_servers", "container"]);
    const messages = toldAsText(bare.messages);
    return messages === undefined ? bare : { ...bare, messages };
  },
  readAnswer(body, reading) {
    const content = field(body, "content");
    for (const block of Array.isArray(content) ? content : []) readBlock(block, reading);
    readAnthropicUsage(field(body, "usage"), reading);
    readError(field(body, "error"), reading);
    reading.isComplete = true;
  },
  readEvent(streamed, reading) {
    const { data } = streamed;
    if (data === null) return true;
    const event = parsed(data);
    readError(field(event, "error") ?? errorNamed(streamed, event), reading);
    switch (field(event, "type")) {
      case "message_start":
        readAnthropicUsage(field(field(event, "message"), "usage"), reading);
        break;
      case "content_block_start":
        readBlock(field(event, "content_block"), reading);
        break;
      case "content_block_delta":
        addText(reading, field(field(event, "delta"), "text"));
        break;
      case "message_delta":
        readAnthropicUsage(field(event, "usage"), reading);
        break;
      case "message_stop":
        reading.isComplete = true;
        break;
    }
    return true;
  },
  errorBody: (type, message) => ({ type: "error", error: { type, message } }),
  errorEvent: (type, message) =>
    `event: error\ndata: ${JSON.stringify({ type: "error", error: { type, message } })}\n\n`,
};

function readBlock(block: unknown, reading: Reading): void {
  if (field(block, "type") === "text") addText(reading, field(block, "text"));
  if (String(field(block, "type") ?? "").endsWith("tool_use")) reading.usesTools = true;
}

/** Input tokens are told at the start, output tokens as a running total. */
function readAnthropicUsage(usage: unknown, reading: Reading): void {
  if (typeof usage !== "object" || usage === null) return;
  const input = field(usage, "input_tokens");
  if (input !== undefined) reading.inputTokens = numberOf(input);
  reading.tokens = reading.inputTokens + numberOf(field(usage, "output_tokens"));
}

export const dialects: readonly Dialect[] = [openai, anthropic];
