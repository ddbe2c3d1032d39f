import type { Config } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import { type Actor, mayCall } from "../../http/actor.ts";
import type { Core } from "./core.ts";
import { ensureInbox, requireConsumer } from "./registry.ts";
import { type ConsumerRow, listConsumers } from "./registry-store.ts";

/** Agents consume from their own inbox and from those of their roles, and from nothing else. */
export async function requireConsumable(
  core: Core,
  config: Config,
  actor: Actor,
  name: string,
): Promise<ConsumerRow> {
  const consumer = await requireConsumer(core, name);
  if (actor.role !== "agent") {
    if (mayCall(actor, "operator")) return consumer;
    throw new Fault("forbidden", `The token "${actor.name}" may look, but not consume.`);
  }
  const roles = config.agents[actor.agent]?.roles ?? [];
  if (consumer.agent === actor.agent) return consumer;
  if (consumer.role !== null && roles.includes(consumer.role)) return consumer;
  throw new Fault(
    "not_yours",
    `${name} is not an inbox of ${actor.agent} or of its roles: consume from your own.`,
  );
}

/** The consumers of an agent and of its roles; its own inbox is made where there is none. */
export async function inboxesOf(
  core: Core,
  config: Config,
  agent: string,
): Promise<readonly string[]> {
  const own = await listConsumers(core.db, { agent });
  const names =
    own.length > 0 ? own.map((each) => each.name) : [(await ensureInbox(core, { agent })).consumer];
  for (const role of config.agents[agent]?.roles ?? []) {
    names.push(...(await listConsumers(core.db, { role })).map((each) => each.name));
  }
  return names;
}
