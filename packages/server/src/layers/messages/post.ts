/**
 * The post: messages going in. What is refused for its size or form is kept as a dead letter, since no
 * stream ever saw it.
 */
import type { NewMessage, PublishedMessage } from "@lastgood/sdk";
import { agentInbox, roleInbox } from "../../config/inbox-names.ts";
import { Fault } from "../../fault.ts";
import { newId, newUuid } from "../../world.ts";
import { checkIn } from "./claim-check.ts";
import type { Core } from "./core.ts";
import { type Refusal, recordRefusal } from "./dead-letter-store.ts";
import { sha256 } from "./digest.ts";
import type { InboxMessage, Recipient } from "./inboxes.ts";
import { type OutgoingMessage, payloadKeptBytes, sizeOf } from "./message.ts";
import { ensureInbox } from "./registry.ts";
import { listConsumers, type StreamRow } from "./registry-store.ts";
import { concreteSubject, fits, isSubject } from "./subject.ts";

const idForm = /^[\x21-\x7e]{1,200}$/;
const headerNameForm = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;
const headerValueForm = /^[\x20-\x7e\u00a0-\uffff]{0,1000}$/;
const headersMax = 16;

/** Publishes on behalf of `sender`, and returns when the engine has it. */
export async function publish(
  core: Core,
  message: NewMessage,
  sender: string,
): Promise<PublishedMessage> {
  const payload = Buffer.from(JSON.stringify(message.payload ?? null));
  const headers = message.headers ?? {};
  const id = message.id ?? newUuid(core.world);
  const subject = await subjectOf(core, message);
  let attempt = { sender, id, subject, headers, payload };
  const complaint = malformed(attempt);
  if (complaint !== null) {
    await refuse(core, attempt, "malformed", complaint.says);
    throw new Fault("bad_input", complaint.says, { context: { path: complaint.path } });
  }
  const stream = await streamOf(core, subject);
  if (sizeOf(attempt) > stream.maxMessageBytes && message.offload === true) {
    const claimCheck = await checkIn(core.putPart, attempt);
    attempt = { ...attempt, payload: Buffer.from(JSON.stringify({ claimCheck })) };
  }
  const size = sizeOf(attempt);
  if (size > stream.maxMessageBytes) {
    const says = `The message has ${size} bytes with its headers, and ${stream.name} takes ${stream.maxMessageBytes}: send less, or with offload: true a reference to its content in state.`;
    await refuse(core, attempt, "oversized", says, stream.name);
    throw new Fault("too_large", says, { context: { path: "payload" } });
  }
  const outgoing: OutgoingMessage = {
    ...attempt,
    stream: stream.name,
    at: core.world.now(),
  };
  const published = await core.engine.publish(outgoing);
  return { id, stream: stream.name, subject, ...published };
}

type Attempt = Pick<OutgoingMessage, "id" | "subject" | "headers" | "payload"> & {
  readonly sender: string;
};

function malformed(attempt: Attempt): { readonly path: string; readonly says: string } | null {
  if (!isSubject(attempt.subject)) {
    return {
      path: "subject",
      says: `${JSON.stringify(attempt.subject.slice(0, 80))} is not a subject: write tokens of printable characters separated by dots, such as tasks.review, without wildcards, at most 255 bytes.`,
    };
  }
  if (!idForm.test(attempt.id)) {
    return {
      path: "id",
      says: "A message id is 1 to 200 printable ASCII characters without spaces.",
    };
  }
  const entries = Object.entries(attempt.headers);
  const bad = entries.find(
    ([name, value]) =>
      !headerNameForm.test(name) ||
      /^(nats|lastgood)-/i.test(name) ||
      !headerValueForm.test(value) ||
      value.trim() !== value,
  );
  if (bad !== undefined || entries.length > headersMax) {
    return {
      path: `headers${bad === undefined ? "" : `/${bad[0].slice(0, 64)}`}`,
      says: `At most ${headersMax} headers: names of letters, digits and -, not beginning with Nats- or Lastgood-; values of at most 1000 printable characters.`,
    };
  }
  return null;
}

/** Keeps what a stream refused: who sent it, its size, its first 4 kB and its hash. */
async function refuse(
  core: Core,
  attempt: Attempt,
  reason: Refusal["reason"],
  detail: string,
  stream: string | null = null,
): Promise<void> {
  await recordRefused(core, {
    ...{ reason, detail, stream, sender: attempt.sender, headers: attempt.headers },
    messageId: attempt.id.slice(0, 200),
    subject: attempt.subject.slice(0, 255),
    kept: attempt.payload.subarray(0, payloadKeptBytes),
    complete: attempt.payload.length <= payloadKeptBytes,
    size: attempt.payload.length,
    sha256: sha256(attempt.payload),
  });
}

/** For a publish that never became a message: its body could not be read. */
export async function recordRefused(
  core: Core,
  refusal: Omit<Refusal, "id" | "diedAt">,
): Promise<void> {
  const clean = (text: string) => text.replaceAll("\u0000", "");
  await recordRefusal(core.db, {
    ...refusal,
    messageId: clean(refusal.messageId),
    subject: clean(refusal.subject),
    detail: clean(refusal.detail),
    headers: Object.fromEntries(
      Object.entries(refusal.headers)
        .slice(0, headersMax)
        .map(([name, value]) => [clean(name).slice(0, 64), clean(value).slice(0, 1_000)]),
    ),
    id: newId<string>(core.world, "dl"),
    diedAt: core.world.now(),
  });
}

async function subjectOf(core: Core, message: NewMessage): Promise<string> {
  const named = [message.subject, message.agent, message.role].filter((each) => each !== undefined);
  if (named.length !== 1) {
    throw new Fault("bad_input", "Name one of subject, agent and role: where it goes.", {
      context: { path: "subject" },
    });
  }
  if (message.subject !== undefined) return message.subject;
  const owner =
    message.agent === undefined ? { role: message.role ?? "" } : { agent: message.agent };
  const subject = await inboxSubject(core, owner);
  if (subject !== null) return subject;
  const who = "agent" in owner ? `agent ${owner.agent}` : `role ${owner.role}`;
  throw new Fault(
    "not_found",
    `The ${who.slice(0, 120)} has no inbox: declare it in lastgood.yaml, or make a consumer for it (PUT /v1/consumers/<name>).`,
  );
}

type Owner = { readonly agent: string } | { readonly role: string };

/** A subject that reaches the owner's inbox, whatever the stream it was adopted with is called. */
export async function inboxSubject(core: Core, owner: Owner): Promise<string | null> {
  const [consumer] = await listConsumers(core.db, owner);
  if (consumer === undefined) return null;
  const stream = await core.directory.stream(consumer.stream);
  const taken = consumer.subjects.length > 0 ? consumer.subjects : (stream?.subjects ?? []);
  const usual = "agent" in owner ? agentInbox(owner.agent) : roleInbox(owner.role);
  return fits(usual.subject, taken) ? usual.subject : concreteSubject(taken);
}

async function streamOf(core: Core, subject: string): Promise<StreamRow> {
  const stream = await core.directory.streamFor(subject);
  if (stream !== null) return stream;
  throw new Fault(
    "not_found",
    `No stream takes the subject ${subject}: declare one under messages.streams in lastgood.yaml.`,
    { context: { path: "subject" } },
  );
}

/**
 * Lastgood's own word to an agent or a role: one message per id, however often it is told. An inbox is
 * made where there is none.
 */
export async function tell(core: Core, to: Recipient, message: InboxMessage): Promise<void> {
  const owner = typeof to === "string" ? { agent: to } : to;
  // No agent is called so: a name has no colon.
  const recipient = typeof to === "string" ? to : `role:${to.role}`;
  const told = await core.db`
    select 1 from message_told where agent = ${recipient} and id = ${message.id}`;
  if (told.length > 0) return;
  const subject = (await inboxSubject(core, owner)) ?? (await ensureInbox(core, owner)).subject;
  const stream = await streamOf(core, subject);
  const { id, type, text, details } = message;
  await core.db.begin(async (tx) => {
    const first = await tx`
      insert into message_told (agent, id, at) values (${recipient}, ${id}, ${core.world.now()})
      on conflict (agent, id) do nothing returning 1`;
    if (first.length === 0) return;
    await core.engine.publish(
      {
        stream: stream.name,
        subject,
        id,
        sender: "lastgood",
        headers: { "Message-Type": type },
        payload: Buffer.from(JSON.stringify({ type, text, details })),
        at: core.world.now(),
      },
      tx,
    );
  });
}
