import type { Config } from "../../config/config.ts";
import { findDeadLetters } from "./dead-letter-store.ts";
import type { Messages } from "./messages.ts";

const deadLettersMax = 1_000;

/** How an agent's inboxes stand: what waits or is in its hands, and what died since then and is still dead. */
export async function pulseOf(
  { core, consumers }: Pick<Messages, "core" | "consumers">,
  config: Config,
  agent: string,
  since: Date,
): Promise<{ readonly waiting: number; readonly died: number }> {
  const roles = config.agents[agent]?.roles ?? [];
  const found = await Promise.all([
    consumers({ agent }),
    ...roles.map((role) => consumers({ role })),
  ]);
  const counted = await Promise.all(
    found.flat().map(async ({ name, waiting, inFlight, resting }) => {
      const dead = await findDeadLetters(core.db, {
        consumer: name,
        since,
        state: "dead",
        limit: deadLettersMax,
      });
      return { waiting: waiting + inFlight + resting, died: dead.length };
    }),
  );
  return {
    waiting: counted.reduce((total, each) => total + each.waiting, 0),
    died: counted.reduce((total, each) => total + each.died, 0),
  };
}
