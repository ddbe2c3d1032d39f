/**
 * Which streams and consumers there are. What lastgood.yaml declares is made or adopted at the start and
 * whenever it changes; more are made on demand.
 *
 *   R1. What the engine already has under a name is adopted as it is.
 */

import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import { agentInbox, type InboxNames, roleInbox } from "../../config/inbox-names.ts";
import { Fault } from "../../fault.ts";
import type { Query } from "../../store/database.ts";
import type { Core } from "./core.ts";
import { inboxConsumer, inboxStream, requireEngineName } from "./declared.ts";
import { type ConsumerRow, listConsumers, saveConsumer, saveStream } from "./registry-store.ts";
import { fits, overlap, requirePattern } from "./subject.ts";

export async function ensureStream(
  core: Core,
  name: string,
  settings: StreamSettings,
): Promise<void> {
  requireEngineName(name, "name");
  for (const subject of settings.subjects) requirePattern(subject);
  const ensured = await core.engine.ensureStream(name, settings);
  const other = await core.directory.conflict(name, ensured.settings.subjects);
  if (other !== null) {
    throw new Fault(
      "already_exists",
      `${name} would take subjects that ${other.stream} already takes (${other.subject}): every subject belongs to one stream.`,
      { context: { path: "subjects" } },
    );
  }
  await saveStream(core.db, name, ensured.settings, ensured.adopted);
  core.directory.note({ name, ...ensured.settings, adopted: ensured.adopted });
}

export async function ensureConsumer(
  core: Core,
  name: string,
  settings: ConsumerSettings,
): Promise<void> {
  requireEngineName(name, "name");
  for (const subject of settings.subjects) requirePattern(subject);
  const stream = await core.directory.stream(settings.stream);
  if (stream === null) {
    throw new Fault(
      "not_found",
      `There is no stream ${settings.stream.slice(0, 100)}: make it first, or list them with \`lastgood messages streams\`.`,
      { context: { path: "stream" } },
    );
  }
  const stray = settings.subjects.find(
    (subject) => !stream.subjects.some((each) => overlap(each, subject)),
  );
  if (stray !== undefined) {
    throw new Fault("bad_input", `${stream.name} takes no subject that fits ${stray}.`, {
      context: { path: "subjects" },
    });
  }
  const [before] = await listConsumers(core.db, { name });
  if (before !== undefined && before.stream !== settings.stream) {
    throw new Fault(
      "already_exists",
      `${name} is a consumer of ${before.stream}, not of ${settings.stream}: choose another name.`,
      { context: { path: "name" } },
    );
  }
  const ensured = await core.engine.ensureConsumer(name, settings);
  await saveConsumer(core.db, name, ensured.settings, ensured.adopted);
}

/** The inbox of an agent or of a role, made where there is none. */
export async function ensureInbox(
  core: Core,
  owner: { readonly agent: string } | { readonly role: string },
): Promise<InboxNames> {
  const name = "agent" in owner ? owner.agent : owner.role;
  if (!/^[A-Za-z0-9][\w.-]{0,89}$/.test(name)) {
    throw new Fault(
      "bad_input",
      `${JSON.stringify(name.slice(0, 100))} cannot have an inbox: names are letters, digits, ., _ and -, at most 90.`,
    );
  }
  const inbox = "agent" in owner ? agentInbox(name) : roleInbox(name);
  const [existing] = await listConsumers(core.db, owner);
  if (existing === undefined) {
    if ((await core.directory.stream(inbox.stream)) === null)
      await ensureStream(core, inbox.stream, inboxStream(inbox));
    await ensureConsumer(core, inbox.consumer, inboxConsumer(inbox, owner));
  }
  const [consumer] = await listConsumers(core.db, owner);
  const stream = await core.directory.stream(consumer?.stream ?? inbox.stream);
  const subjects = stream?.subjects ?? [];
  return {
    stream: stream?.name ?? inbox.stream,
    consumer: consumer?.name ?? inbox.consumer,
    subject: fits(inbox.subject, subjects) ? inbox.subject : (subjects[0] ?? inbox.subject),
  };
}

export async function requireConsumer(
  core: Pick<Core, "db">,
  name: string,
  within: Query = core.db,
): Promise<ConsumerRow> {
  const [consumer] = await listConsumers(within, { name });
  if (consumer !== undefined) return consumer;
  throw new Fault(
    "not_found",
    `There is no consumer ${name.slice(0, 100)}: list them with \`lastgood messages consumers\`.`,
  );
}
