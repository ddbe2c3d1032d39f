/**
 * Writes the post that its inbox asks for, section by section, and answers questions. It may die at any moment:
 * what it was doing it learns from the brief, and from nothing else.
 */
import {
  type AgentSession,
  Fault,
  type MessageDelivery,
  type SessionHandling,
} from "@lastgood/sdk";
import { type Point, tellStory } from "../story.ts";
import { startAgent, watchAnswers } from "./agent-process.ts";
import { effectOnce } from "./effect-once.ts";
import { workTreeAt } from "./work-tree.ts";
import { createWriter } from "./writer.ts";

/** Lastgood's own word (`task.assigned`), or a colleague's. */
interface Content {
  readonly type: string;
  readonly text?: string;
  readonly details?: { readonly task?: string };
}

const agent = startAgent();
const { briefing, client, journal, announce, outside } = agent;
const story = tellStory(briefing.seed, briefing.variant);
const tree = workTreeAt(briefing.workTree, briefing.name);
const stopping = new AbortController();
/** What the message is about that is being handled, or was last. */
let inHand: Point["of"] | null = null;
process.on("SIGTERM", () => stopping.abort());

// `lastgood agent run` opened it, and said which work tree is its.
const session = await client.session();
journal("session", { session: session.id, recovery: session.recovery, before: session.before });
const writer = createWriter({ agent, session, story, tree });
await writer.readBrief();
watchAnswers((method, path, status) => {
  if (method !== "POST" || !/^\/v1\/deliveries\/[^/]+\/ack$/.test(path) || status !== 200) return;
  journal("acknowledged", { session: session.id });
  if (inHand !== null) announce({ step: "after ack", of: inHand });
});
await session.inbox(handle, { signal: stopping.signal });
await endSession(session);
process.exit(0);

async function handle(message: MessageDelivery, handling: SessionHandling): Promise<void> {
  const { id, deliveries } = message;
  const { type, text = "", details } = message.payload as Content;
  journal("message", { message: id, type, deliveries });
  inHand = type === "question" ? "reply" : details?.task === story.task ? "task" : null;
  if (type === "task.assigned" && details?.task !== undefined) {
    await writer.writePost(details.task, message, handling);
  } else if (type === "question") {
    await reply(message, text, handling);
  }
  journal("handled", { message: id, type });
  if (inHand !== null) announce({ step: "before ack", of: inHand });
}

async function reply(message: MessageDelivery, asked: string, handling: SessionHandling) {
  await effectOnce(session, message, handling, {
    key: "reply",
    kind: "reply",
    run: (key) => send(key, { kind: "reply", name: message.id, body: `You asked: ${asked}` }),
    lookup: (key) => outside.find(key),
  });
  announce({ step: "after effect", of: "reply" });
}

async function send(key: string, thing: { kind: string; name: string; body: string }) {
  announce({ step: "before effect dispatch", of: thing.kind });
  const { url } = await outside.send({ key, ...thing });
  journal("effect", { effect: key, kind: thing.kind, name: thing.name });
  announce({ step: "between effect and confirm", of: thing.kind });
  return { url };
}

/** One that is over already needs no end. */
async function endSession(over: AgentSession): Promise<void> {
  try {
    await over.end("stopped");
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "fenced") throw error;
  }
}
