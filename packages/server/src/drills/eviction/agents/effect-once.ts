/**
 * An effect of a task, or of a message, done once whoever of a role does it. Within an agent the ledger sees to
 * that; what another member had dispatched before it died is found in the ledger under the same key, and looked
 * up as its own would be.
 */
import type {
  AgentSession,
  Effect,
  JsonValue,
  MessageDelivery,
  SessionHandling,
} from "@lastgood/sdk";

export interface Once<T extends JsonValue> {
  readonly key: string;
  readonly kind: string;
  /** Whose effect it is; without one it is the message's. */
  readonly task?: string;
  run(id: string): Promise<T>;
  lookup(id: string): Promise<T | null>;
}

export async function effectOnce<T extends JsonValue>(
  session: AgentSession,
  message: MessageDelivery,
  handling: SessionHandling,
  { run, lookup, ...wanted }: Once<T>,
): Promise<T> {
  const { key, task } = wanted;
  if (message.deliveries > 1) {
    const names = { task: task ?? null, key: task === undefined ? `${message.id} ${key}` : key };
    const before = await ofAnotherMember(session, names);
    const found = before === null ? null : await lookup(before.id);
    if (found !== null) return found;
  }
  const effect = task === undefined ? handling.effect : session.effect;
  return await effect({
    ...wanted,
    nature: "irreversible",
    run,
    async lookup({ id }) {
      const found = await lookup(id);
      return found === null ? null : { result: found };
    },
  });
}

const effectsMax = 1_000;

async function ofAnotherMember(
  session: AgentSession,
  { task, key }: Pick<Effect, "task" | "key">,
): Promise<Effect | null> {
  const query = { limit: effectsMax, ...(task === null ? {} : { task }) };
  const { effects } = await session.client.effects(query);
  const isIt = (each: Effect) => each.key === key && each.task === task;
  return effects.find((each) => isIt(each) && each.agent !== session.agent) ?? null;
}
