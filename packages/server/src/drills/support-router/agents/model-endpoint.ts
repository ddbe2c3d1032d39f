/**
 * A model endpoint as an OpenAI client asks it. It looks up whose ticket it is before it answers: without the
 * directory it cannot answer, whichever model was asked.
 */
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { isModel, route } from "../models.ts";
import { shardOf } from "../story.ts";
import { briefing, type EndpointBriefing } from "./briefing.ts";
import { exchange } from "./exchange.ts";

interface Asked {
  readonly model?: unknown;
  readonly user?: string;
  readonly messages?: readonly { readonly content?: unknown }[];
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const { port, directoryPorts } = briefing<EndpointBriefing>();
const lookUpMsMax = 2_000;

async function answer(request: IncomingMessage): Promise<Answer> {
  const { model, user, messages } = JSON.parse(await text(request)) as Asked;
  if (!isModel(model)) return refused(404, `there is no model ${String(model)}`);
  if (user !== undefined && !(await isKnown(user))) {
    return refused(503, "the directory of accounts does not answer");
  }
  const question = String(messages?.at(-1)?.content ?? "");
  const queue = route(model, question);
  const message = { role: "assistant", content: queue };
  const tokens = Math.ceil(question.length / 4);
  return {
    status: 200,
    body: {
      ...{ id: "chat_1", object: "chat.completion", created: 1, model },
      choices: [{ index: 0, finish_reason: "stop", message }],
      usage: { prompt_tokens: tokens, completion_tokens: 1, total_tokens: tokens + 1 },
    },
  };
}

async function isKnown(customer: string): Promise<boolean> {
  const shard = directoryPorts[shardOf(customer)];
  try {
    const { status } = await exchange(`http://127.0.0.1:${shard}/accounts/${customer}`, {
      ...{ method: "GET", withinMs: lookUpMsMax },
    });
    return status === 200;
  } catch {
    // Gone, or silent: the answer says so.
    return false;
  }
}

function refused(status: number, message: string): Answer {
  return { status, body: { error: { message, type: "upstream", param: null, code: null } } };
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  void answer(request)
    .catch((error: unknown) => refused(400, String(error)))
    .then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
});
server.listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
