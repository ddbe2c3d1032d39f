import { type Client, type MessageDelivery, payloadOf } from "@lastgood/sdk";
import { z } from "zod";
import { adds, addsOnce, type Tool, tool } from "../tool.ts";
import { because, json, session } from "./arguments.ts";

const token = z
  .string()
  .min(1)
  .max(1_000)
  .describe("The token that inbox_next gave with the message.");

const next = tool({
  name: "inbox_next",
  title: "Take your next message",
  description:
    "Takes the oldest waiting message out of your inbox (and those of your roles), or answers null when none comes in time. It is yours until you end it with message_ack (handled) or message_fail; keep calling tools while you work on it, for after five minutes without a call it goes to another. When handled is true its work was done before: acknowledge it without doing it again.",
  hints: adds,
  input: z.strictObject({
    wait_seconds: z
      .number()
      .min(0)
      .max(50)
      .default(0)
      .describe("How long to wait for one when there is none."),
    session,
  }),
  output: z.object({
    message: z
      .object({
        token: z.string(),
        id: z.string(),
        subject: z.string(),
        sender: z.string().nullable(),
        publishedAt: z.string(),
        payload: z
          .unknown()
          .describe("Above 256 kB only a claimCheck: its parts are documents, read by state_get."),
        deliveries: z.number(),
        maxDeliver: z.number(),
        deadline: z.string(),
        lastError: z.string().nullable().describe("Why it failed the last time."),
        handled: z.boolean().describe("Acknowledge it without doing its work again."),
      })
      .nullable(),
  }),
  async run({ wait_seconds, session: named }, caller, signal) {
    const mine = await caller.inSession(named);
    const { client, agent } = mine;
    const asked = { max: 1, waitMs: wait_seconds * 1_000, session: mine.session };
    const { messages } = await client.fetchInbox(agent, asked, signal);
    const [message] = messages;
    if (message === undefined) return { message: null };
    const payload = await contentOf(client, message);
    caller.took(mine, message);
    return { message: { ...message, payload } };
  },
});

const contentBytesMax = 262_144;

/** What lies in state is read, unless a model could not hold it. A message without its content goes back. */
async function contentOf(client: Client, message: MessageDelivery): Promise<unknown> {
  const { token, payload } = message;
  const check = payload as { readonly claimCheck?: { readonly bytes: number } } | null;
  if ((check?.claimCheck?.bytes ?? 0) > contentBytesMax) return payload;
  try {
    return await payloadOf(client, message);
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    await client.nakMessage(token, { reason: `its content could not be read: ${because}` });
    throw error;
  }
}

const ack = tool({
  name: "message_ack",
  title: "The message is handled",
  description:
    "Says that a message's work is done: it never comes again. Call it after the work, not before. Calling it twice changes nothing. fenced means that the message went to another handler meanwhile.",
  hints: addsOnce,
  input: z.strictObject({ token, session }),
  output: z.object({ already: z.boolean() }),
  async run({ token: delivery, session: named }, caller, signal) {
    const answer = await caller.client(named).ackMessage(delivery, signal);
    caller.settled(delivery);
    return answer;
  },
});

const fail = tool({
  name: "message_fail",
  title: "The message could not be handled",
  description:
    "Gives a message back because handling it failed. With again (default) it comes again after a pause, and is a dead letter once its deliveries are used up. With again: false it can never be handled, and is a dead letter for a person at once: malformed (its form), rejected (it asks for what must not be done), misrouted (it is not for you).",
  hints: adds,
  input: z.strictObject({
    token,
    because,
    again: z.boolean().default(true),
    kind: z
      .enum(["malformed", "rejected", "misrouted"])
      .default("rejected")
      .describe("Only with again: false."),
    delay_seconds: z
      .number()
      .min(0)
      .max(3_600)
      .optional()
      .describe("When it comes again; by default after 1 s, doubling."),
    session,
  }),
  output: z.object({
    outcome: z.enum(["waits", "dead"]),
    again: z.string().nullable(),
    deadLetter: z.string().nullable(),
  }),
  async run(
    { token: delivery, because: reason, again, kind, delay_seconds, session: named },
    caller,
  ) {
    const client = caller.client(named);
    const answer = again
      ? await client.nakMessage(delivery, {
          reason,
          ...(delay_seconds === undefined ? {} : { delayMs: delay_seconds * 1_000 }),
        })
      : await client.rejectMessage(delivery, { reason: kind, detail: reason });
    caller.settled(delivery);
    return answer;
  },
});

const send = tool({
  name: "message_send",
  title: "Send a message",
  description:
    "Sends JSON to another agent's inbox, to whoever of a role takes it, or to a subject: name exactly one. Give it an id made of the work (such as task_7-draft-ready), so that sending it again after a crash sends it once. To ask for work use task_assign instead.",
  hints: adds,
  input: z.strictObject({
    agent: z.string().max(100).optional(),
    role: z.string().max(100).optional(),
    subject: z.string().max(255).optional(),
    payload: json,
    id: z.string().min(1).max(200).optional().describe("The same id is sent once."),
    session,
  }),
  output: z.object({
    id: z.string(),
    subject: z.string(),
    stream: z.string(),
    seq: z.number(),
    duplicate: z.boolean().describe("It had been sent before: nothing new was sent."),
  }),
  async run({ session: named, agent, role, subject, payload, id }, caller) {
    return await caller.client(named).publishMessage({
      payload,
      ...(agent === undefined ? {} : { agent }),
      ...(role === undefined ? {} : { role }),
      ...(subject === undefined ? {} : { subject }),
      ...(id === undefined ? {} : { id }),
    });
  },
});

export const messageTools: readonly Tool[] = [next, ack, fail, send];
