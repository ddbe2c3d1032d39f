/**
 * What both engines promise. One text: it is run on the log in PostgreSQL and on every nats-server.
 */
import { type TestContext, test } from "node:test";
import { contractOfDeath } from "./contract-death.ts";
import { contractOfFlow } from "./contract-flow.ts";
import { contractOfLimits } from "./contract-limits.ts";
import { contractOfRecovery } from "./contract-recovery.ts";
import { contractOfWaiting } from "./contract-waiting.ts";
import { type EngineUnderTest, type MessagesWorld, startMessages } from "./world.ts";

export type Promised = Readonly<Record<string, (world: MessagesWorld) => Promise<void>>>;

const parts: Readonly<Record<string, Promised>> = {
  delivery: contractOfFlow,
  "dead letters": contractOfDeath,
  limits: contractOfLimits,
  recovery: contractOfRecovery,
  waiting: contractOfWaiting,
};

/** Every promise has a stream of its own, so those of one part are checked beside each other. */
export function contract(engine: EngineUnderTest): void {
  for (const [part, promised] of Object.entries(parts)) {
    test(`messages on ${engine}: ${part}`, { concurrency: 6 }, async (context) => {
      await using world = await startMessages(engine);
      await keep(context, world, promised);
    });
  }
}

async function keep(context: TestContext, world: MessagesWorld, promised: Promised) {
  await Promise.all(
    Object.entries(promised).map(([name, check]) => context.test(name, () => check(world))),
  );
}
