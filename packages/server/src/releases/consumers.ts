/**
 * Who follows the pins: what consumers say is gathered for a moment and written together, so that a thousand
 * that acknowledge at once cost one statement.
 */
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import {
  consumersMax,
  countConsumers,
  forgetConsumer,
  forgetSilent,
  forgottenMs,
  type Heard,
  saveHeard,
} from "./consumer-store.ts";

export interface Consumers {
  /** `too_many` where the environment has 10,000 others. */
  heard(word: Omit<Heard, "seenAt">): Promise<void>;
  left(consumer: Pick<Heard, "environment" | "who" | "id">): Promise<void>;
  stop(): Promise<void>;
}

const gatherMs = 20;
const againMs = 1_000;
const forgetEveryMs = 60_000;

export function createConsumers({
  db,
  world,
  log,
}: {
  db: Db;
  world: World;
  log: Logger;
}): Consumers {
  const unsaved = new Map<string, Heard>();
  /** Those that this process has let in. */
  const known = new Map<string, Set<string>>();
  let gathering: NodeJS.Timeout | null = null;
  let stopped = false;
  let saving: Promise<void> = Promise.resolve();

  function save(): void {
    gathering = null;
    const words = [...unsaved.values()];
    unsaved.clear();
    saving = saving
      .then(() => saveHeard(db, words))
      .catch((error: unknown) => {
        log.warn({ err: error, consumers: words.length }, "acknowledgements wait to be written");
        for (const word of words) {
          const key = keyOf(word);
          if (!unsaved.has(key)) unsaved.set(key, word);
        }
        if (!stopped) gathering ??= setTimeout(save, againMs);
      });
  }

  async function letIn({ environment, who, id }: Pick<Heard, "environment" | "who" | "id">) {
    const inside = known.get(environment) ?? new Set();
    known.set(environment, inside);
    const key = JSON.stringify([who, id]);
    if (inside.has(key)) return;
    // Those that went without a word are let go; whoever lives is let in again with its next word.
    if (inside.size >= consumersMax) inside.clear();
    if ((await countConsumers(db, environment)) >= consumersMax) {
      throw new Fault(
        "too_many",
        `${environment} has ${consumersMax} consumers already: let those that are gone leave, or wait until they are forgotten.`,
      );
    }
    inside.add(key);
  }

  const loop: Loop = startLoop({
    name: "releases.consumers",
    everyMs: forgetEveryMs,
    log,
    async run() {
      await forgetSilent(db, new Date(world.now().getTime() - forgottenMs));
    },
  });

  return {
    async heard(word) {
      await letIn(word);
      unsaved.set(keyOf(word), { ...word, seenAt: world.now() });
      gathering ??= setTimeout(save, gatherMs);
    },
    async left(consumer) {
      const { environment, who, id } = consumer;
      unsaved.delete(keyOf(consumer));
      known.get(environment)?.delete(JSON.stringify([who, id]));
      await saving;
      await forgetConsumer(db, consumer);
    },
    async stop() {
      stopped = true;
      await loop.stop();
      if (gathering !== null) clearTimeout(gathering);
      save();
      await saving;
    },
  };
}

function keyOf({ environment, who, id }: Pick<Heard, "environment" | "who" | "id">): string {
  return JSON.stringify([environment, who, id]);
}
