/**
 * A consumer: asks for messages, calls the handler for each, and tells the server how it ended.
 *
 *   C1. A message is acknowledged after its handler has returned, and the acknowledgement is repeated
 *       until the server has it; a message that comes again meanwhile is not handled twice here.
 *   C2. A server that is away is waited for, with growing pauses. A server that refuses (a wrong token,
 *       an unknown consumer) ends the consumer: somebody has to act.
 *   C3. When `signal` aborts, the handlers under way finish and their messages are settled.
 */
import type { MessageDelivery, Progress } from "./api/messages.ts";
import { Fault, faults } from "./fault.ts";
import type { Client } from "./operations.ts";
import { pause, pauseAfter } from "./patience.ts";

export interface ConsumeOptions {
  /** The agent whose inbox, and whose roles' inboxes, are read; or one consumer by name. */
  readonly agent?: string;
  readonly consumer?: string;
  /** Does the work. What it throws is the reason of the failure; `Rejected` says that it can never succeed. */
  handler(message: MessageDelivery, handling: Handling): void | Promise<void>;
  readonly signal: AbortSignal;
  /** How many messages are handled at once. Default 1. */
  readonly concurrency?: number;
  /** The session that handles them, so that its end gives them back. */
  readonly session?: string;
  /** Called when the server is away, or when a delivery was fenced. By default nothing is said. */
  onTrouble?(fault: Fault): void;
}

export interface Handling {
  /** Says that the work is getting on, and so keeps the message. */
  progress(): Promise<Progress>;
}

/** Thrown by a handler: this message can never be handled, and becomes a dead letter at once. */
export class Rejected extends Error {
  override readonly name = "Rejected";
  readonly reason: "malformed" | "rejected" | "misrouted";

  constructor(reason: "malformed" | "rejected" | "misrouted", detail: string) {
    super(detail);
    this.reason = reason;
  }
}

const waitMs = 25_000;
const settleMsMax = 600_000;
const settleTriesWhenStopping = 3;
const handledMax = 1_000;
const reasonMax = 2_000;

/** Runs until `signal` aborts; rejects only with a fault that waiting cannot mend. */
export async function consume(client: Client, options: ConsumeOptions): Promise<void> {
  const handled = new Set<string>();
  const workers = Array.from({ length: options.concurrency ?? 1 }, () =>
    work(client, options, handled),
  );
  await Promise.all(workers);
}

async function work(client: Client, options: ConsumeOptions, handled: Set<string>): Promise<void> {
  const { signal } = options;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const messages = await fetchNext(client, options);
      failures = 0;
      for (const message of messages) await handle(client, message, options, handled);
    } catch (error) {
      if (signal.aborted) return;
      const fault = passing(error);
      failures += 1;
      options.onTrouble?.(fault);
      await pause(pauseAfter(failures), signal);
    }
  }
}

async function fetchNext(
  client: Client,
  { agent, consumer, signal, session }: ConsumeOptions,
): Promise<readonly MessageDelivery[]> {
  const asked = { max: 1, waitMs, ...(session === undefined ? {} : { session }) };
  if (consumer !== undefined) return (await client.fetchMessages(consumer, asked, signal)).messages;
  if (agent !== undefined) return (await client.fetchInbox(agent, asked, signal)).messages;
  throw new Fault("bad_input", "Name the agent or the consumer whose messages are to be handled.");
}

async function handle(
  client: Client,
  message: MessageDelivery,
  options: ConsumeOptions,
  handled: Set<string>,
): Promise<void> {
  const { token } = message;
  const key = `${message.consumer} ${message.stream} ${message.seq} ${message.id}`;
  const again = message.cause === "log" && handled.has(key);
  let failure: unknown = null;
  if (!message.handled && !again) {
    try {
      await options.handler(message, { progress: () => client.progressMessage(token) });
      remember(handled, key);
    } catch (error) {
      failure = error ?? new Error("the handler threw nothing");
    }
  }
  await settle(options, () => {
    if (failure === null) return client.ackMessage(token);
    const detail = textOf(failure);
    return failure instanceof Rejected
      ? client.rejectMessage(token, { reason: failure.reason, detail })
      : client.nakMessage(token, { reason: detail });
  });
}

/** C1. Until the server has it, or says that the message is no longer ours. */
async function settle(options: ConsumeOptions, tell: () => Promise<unknown>): Promise<void> {
  const ends = Date.now() + settleMsMax;
  for (let failures = 0; ; ) {
    try {
      await tell();
      return;
    } catch (error) {
      if (error instanceof Fault && error.code === "fenced") return options.onTrouble?.(error);
      const fault = passing(error);
      failures += 1;
      options.onTrouble?.(fault);
      const { aborted } = options.signal;
      if (Date.now() > ends || (aborted && failures >= settleTriesWhenStopping)) return;
      await pause(pauseAfter(failures), null);
    }
  }
}

/** C2. The fault, if waiting may mend it; otherwise it is thrown. */
function passing(error: unknown): Fault {
  if (error instanceof Fault && faults[error.code].retry === "later") return error;
  throw error;
}

function remember(handled: Set<string>, key: string): void {
  handled.add(key);
  const [oldest] = handled;
  if (handled.size > handledMax && oldest !== undefined) handled.delete(oldest);
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text === "" ? "The handler failed without a word." : text).slice(0, reasonMax);
}
