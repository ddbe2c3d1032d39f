/** A model endpoint on loopback that answers as both APIs do, and misbehaves where a test wants it to. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ModelRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: {
    readonly model: string;
    readonly stream?: boolean;
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly [name: string]: unknown;
  };
}

/** How one request is answered. */
export interface ModelAnswer {
  readonly text?: string;
  readonly status?: number;
  /** In place of the whole body of an answer with an error. */
  readonly error?: string;
  readonly toolCall?: boolean;
  /** Silent for ever: before it answers, or after its first words. */
  readonly stalls?: "before" | "midway";
  /** The connection is torn: before it answers, or after its first words. */
  readonly resets?: "before" | "midway";
  /** One event without an end, or events without an end. */
  readonly floods?: "event" | "events" | "headers";
  /** In place of the whole of a good answer. */
  readonly body?: string;
  /** Written after the first words of a stream, as it is, before it ends. */
  readonly midway?: string;
  /** The stream just ends. */
  readonly endsEarly?: boolean;
  /** Held until this resolves, before the first byte, or after the first words. */
  readonly holds?: Promise<unknown>;
  readonly holdsMidway?: Promise<unknown>;
}

export interface FakeModel extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ModelRequest[];
  /** Whatever is open is cut. */
  cut(): void;
}

export async function startFakeModel(
  answer: (request: ModelRequest) => ModelAnswer | Promise<ModelAnswer>,
): Promise<FakeModel> {
  const requests: ModelRequest[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as ModelRequest["body"];
      const asked = { path: request.url ?? "", headers: request.headers, body };
      requests.push(asked);
      void reply(response, asked, answer);
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    cut: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function reply(
  response: ServerResponse,
  asked: ModelRequest,
  answer: (request: ModelRequest) => ModelAnswer | Promise<ModelAnswer>,
): Promise<void> {
  const how = await answer(asked);
  if (how.stalls === "before") return;
  if (how.resets === "before") return void response.destroy();
  await how.holds;
  if (how.floods === "headers") {
    response.setHeader("x-flood", "x".repeat(64_000));
    response.end("{}");
    return;
  }
  const { status = 200 } = how;
  if (status !== 200) {
    response.writeHead(status, { "content-type": "application/json", "x-request-id": "up-1" });
    response.end(JSON.stringify({ error: { message: how.error ?? "no", type: "upstream" } }));
    return;
  }
  if (how.body !== undefined) {
    response.writeHead(200, { "content-type": "application/json" });
    return void response.end(how.body);
  }
  const isAnthropic = asked.path === "/v1/messages";
  if (asked.body.stream !== true) return whole(response, asked, how, isAnthropic);
  await stream(response, asked, how, isAnthropic ? anthropicEvents : openaiEvents);
}

function whole(
  response: ServerResponse,
  { body: { model } }: ModelRequest,
  { text = "", toolCall = false }: ModelAnswer,
  isAnthropic: boolean,
): void {
  const call = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } };
  const body = isAnthropic
    ? {
        ...{ id: "msg_1", type: "message", role: "assistant", model, stop_reason: "end_turn" },
        content: [{ type: "text", text }],
        usage: { input_tokens: 7, output_tokens: 5 },
      }
    : {
        ...{ id: "chat_1", object: "chat.completion", created: 1, model },
        choices: [
          {
            index: 0,
            finish_reason: toolCall ? "tool_calls" : "stop",
            message: {
              role: "assistant",
              content: text,
              ...(toolCall ? { tool_calls: [call] } : {}),
            },
          },
        ],
        usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
      };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

type Events = (asked: ModelRequest, text: string) => readonly string[];

/** Words as they come, then what ends a stream. */
const openaiEvents: Events = ({ body: { model, stream_options: options } }, text) => {
  const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = { id: "chat_1", object: "chat.completion.chunk", created: 1, model };
  const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };
  const asksUsage = (options as { include_usage?: boolean } | undefined)?.include_usage === true;
  return [
    ...wordsOf(text).map((content) =>
      event({ ...chunk, choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
    ),
    event({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    ...(asksUsage ? [event({ ...chunk, choices: [], usage })] : []),
    "data: [DONE]\n\n",
  ];
};

const anthropicEvents: Events = ({ body: { model } }, text) => {
  const event = (type: string, value: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...value })}\n\n`;
  const message = { id: "msg_1", type: "message", role: "assistant", model, content: [] };
  const usage = { input_tokens: 7, output_tokens: 1 };
  return [
    event("message_start", { message: { ...message, usage } }),
    event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    ...wordsOf(text).map((word) =>
      event("content_block_delta", { index: 0, delta: { type: "text_delta", text: word } }),
    ),
    event("content_block_stop", { index: 0 }),
    event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5 } }),
    event("message_stop", {}),
  ];
};

function wordsOf(text: string): readonly string[] {
  return text.match(/\S+\s*/g) ?? [];
}

async function stream(
  response: ServerResponse,
  asked: ModelRequest,
  how: ModelAnswer,
  eventsOf: Events,
): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const events = eventsOf(asked, how.text ?? "");
  const first = events.slice(0, 3).join("");
  // In the midst of an event, as a network would tear it.
  response.write(first.slice(0, -9));
  await new Promise((resolve) => setImmediate(resolve));
  response.write(first.slice(-9));
  await how.holdsMidway;
  if (how.stalls === "midway") return;
  if (how.resets === "midway") {
    setImmediate(() => response.destroy());
    return;
  }
  if (how.midway !== undefined) return void response.end(how.midway);
  if (how.endsEarly === true) return void response.end();
  if (how.floods === "event") return flood(response, "x".repeat(65_536));
  if (how.floods === "events")
    return flood(response, `data: {"choices": []}${" ".repeat(65_000)}\n\n`);
  for (const event of events.slice(3)) response.write(event);
  response.end();
}

/** Writes for as long as anybody reads. */
function flood(response: ServerResponse, text: string): void {
  const more = () => {
    while (!response.destroyed && response.write(text));
  };
  response.on("drain", more);
  more();
}
