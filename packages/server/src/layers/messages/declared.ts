/** What lastgood.yaml asks for: its streams and consumers, and an inbox for each agent and role. */
import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import type { Config, StreamConfig } from "../../config/config.ts";
import { agentInbox, type InboxNames, roleInbox } from "../../config/inbox-names.ts";
import { Fault } from "../../fault.ts";
import { fits } from "./subject.ts";

export interface Declared {
  readonly streams: ReadonlyMap<string, StreamSettings>;
  readonly consumers: ReadonlyMap<string, ConsumerSettings>;
}

export const streamDefaults = {
  keepMs: 72 * 3_600_000,
  maxBytes: 5_000_000_000,
  maxMessageBytes: 1_048_576,
  duplicateWindowMs: 120_000,
  replicas: 1,
  storage: "file",
  reviewer: null,
} as const satisfies Omit<StreamSettings, "subjects">;

export const inboxDefaults = {
  ackWaitMs: 30_000,
  maxDeliver: 3,
  maxInFlight: 1,
  maxHandleMs: 600_000,
} as const;

export const consumerDefaults = { ...inboxDefaults, ackWaitMs: 60_000, maxDeliver: 5 } as const;

/** An inbox whose subject a declared stream takes already is a consumer of that stream. */
export function declaredBy(config: Config): Declared {
  const streams = new Map<string, StreamSettings>();
  const consumers = new Map<string, ConsumerSettings>();
  for (const [name, stream] of Object.entries(config.messages.streams)) {
    streams.set(requireEngineName(name, `messages.streams.${name}`), settingsOf(stream));
  }
  for (const [name, consumer] of Object.entries(config.messages.consumers)) {
    const inbox = inboxOf(consumer);
    const stream = consumer.stream ?? inbox?.stream;
    if (stream === undefined) {
      throw new Fault(
        "bad_configuration",
        `The consumer ${name} names no stream: give it a stream, an agent or a role.`,
        { context: { path: `messages.consumers.${name}` } },
      );
    }
    const defaults = inbox === null ? consumerDefaults : inboxDefaults;
    if (!streams.has(stream) && inbox !== null) streams.set(stream, inboxStream(inbox));
    consumers.set(requireEngineName(name, `messages.consumers.${name}`), {
      stream,
      agent: consumer.agent ?? null,
      role: consumer.role ?? null,
      subjects: consumer.subjects,
      ackWaitMs: consumer.ackWait ?? defaults.ackWaitMs,
      maxDeliver: consumer.maxDeliver ?? defaults.maxDeliver,
      maxInFlight: consumer.maxInFlight,
      maxHandleMs: consumer.maxHandle,
    });
  }
  const owned = [...consumers.values()];
  const named = [...streams];
  for (const agent of Object.keys(config.agents)) {
    if (!owned.some((each) => each.agent === agent)) addInbox(agentInbox(agent), { agent });
  }
  const roles = new Set(Object.values(config.agents).flatMap((agent) => agent.roles));
  for (const role of roles) {
    if (!owned.some((each) => each.role === role)) addInbox(roleInbox(role), { role });
  }
  return { streams, consumers };

  function addInbox(inbox: InboxNames, owner: { agent: string } | { role: string }): void {
    if (consumers.has(inbox.consumer)) {
      throw new Fault(
        "bad_configuration",
        `Two inboxes would be called ${inbox.consumer}: rename one of their owners.`,
        { context: { path: "agents" } },
      );
    }
    const taker = named.find(([, stream]) => fits(inbox.subject, stream.subjects));
    if (taker !== undefined) {
      const shared = { ...inboxConsumer(inbox, owner), stream: taker[0] };
      consumers.set(inbox.consumer, { ...shared, subjects: [inbox.subject] });
      return;
    }
    if (!streams.has(inbox.stream)) streams.set(inbox.stream, inboxStream(inbox));
    consumers.set(inbox.consumer, inboxConsumer(inbox, owner));
  }
}

export function inboxStream(inbox: InboxNames): StreamSettings {
  return { ...streamDefaults, subjects: [inbox.subject] };
}

export function inboxConsumer(
  inbox: InboxNames,
  owner: { readonly agent: string } | { readonly role: string },
): ConsumerSettings {
  return {
    ...inboxDefaults,
    stream: inbox.stream,
    agent: "agent" in owner ? owner.agent : null,
    role: "role" in owner ? owner.role : null,
    subjects: [],
  };
}

function inboxOf(owner: { agent?: string | undefined; role?: string | undefined }) {
  if (owner.agent !== undefined) return agentInbox(owner.agent);
  return owner.role === undefined ? null : roleInbox(owner.role);
}

function settingsOf(stream: StreamConfig): StreamSettings {
  return {
    subjects: stream.subjects,
    keepMs: stream.keep,
    maxBytes: stream.maxBytes,
    maxMessageBytes: stream.maxMessageBytes,
    duplicateWindowMs: stream.duplicateWindow,
    replicas: stream.replicas,
    storage: stream.storage,
    reviewer: stream.reviewer ?? null,
  };
}

/** Names that every engine takes. */
export function requireEngineName(name: string, path: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name)) return name;
  throw new Fault(
    "bad_input",
    `${JSON.stringify(name.slice(0, 80))} cannot name a stream or a consumer: use letters, digits, _ and -, at most 100.`,
    { context: { path } },
  );
}
