import type { Effect as ApiEffect } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { App } from "../../http/app.ts";
import { startLoop } from "../../loop.ts";
import type { Db, Tx } from "../../store/database.ts";
import type { World } from "../../world.ts";
import { createEffectDesk } from "./effect-desk.ts";
import { effectRoutes } from "./effect-routes.ts";
import { toApi } from "./effect-schemas.ts";
import {
  abandonAllOf,
  countEffects,
  type EffectCounts,
  findEffects,
  forgetEffects,
} from "./effect-store.ts";

export interface EffectsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
}

/** What the rest of the program may do with effects. */
export interface Effects {
  routes(app: App): void;
  /** What the session had dispatched is unknown, in the very transaction that ends it. */
  sessionEnded(tx: Tx, session: { readonly id: string }): Promise<void>;
  /** What the agent did, or did not do, nobody knows; latest first. Without what may be repeated anyway. */
  unknownOf(
    agent: string,
    limit: number,
  ): Promise<{ readonly effects: readonly ApiEffect[]; readonly more: boolean }>;
  /** Of one agent, or of all. */
  counts(since: Date, agent: string | null): Promise<EffectCounts>;
  stop(): Promise<void>;
}

const trimEveryMs = 3_600_000;
/** For so long at least a key is known to have been used. */
const keptMs = 90 * 86_400_000;
const trimMax = 5_000;

export function createEffects({ db, world, log }: EffectsDeps): Effects {
  const trimming = startLoop({
    name: "effects.trim",
    everyMs: trimEveryMs,
    log,
    async run(signal) {
      const before = new Date(world.now().getTime() - keptMs);
      while (!signal.aborted && (await forgetEffects(db, before, trimMax)) === trimMax);
    },
  });
  const desk = createEffectDesk({ db, world });
  return {
    routes: (app) => effectRoutes(app, { db, desk }),
    sessionEnded: (tx, { id }) => abandonAllOf(tx, id),
    async unknownOf(agent, limit) {
      const filter = { agent, state: "unknown", exceptReadOnly: true, limit: limit + 1 } as const;
      const found = await findEffects(db, filter);
      return { effects: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
    counts: (since, agent) => countEffects(db, since, agent),
    stop: () => trimming.stop(),
  };
}
