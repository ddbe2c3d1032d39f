import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import type { IncidentId } from "../../src/ids.ts";
import { emptyPlan } from "../../src/layers/layer.ts";
import { createPlanner } from "../../src/recovery/planner.ts";
import { createRecoveries, type RecoveriesDeps } from "../../src/recovery/recoveries.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { type FakeOptions, fakeLayers, runtimeStep, valueIn } from "./fake-layers.ts";

const config = configSchema.parse({
  services: {
    "content-api": {
      repository: "content-api",
      runtime: { adapter: "command", read: ["true"], set: ["true"] },
    },
  },
  repositories: { "content-api": { url: "./content-api" } },
});

/** The real recovery room over fake layers. */
export async function startFakeRoom(
  db: Db,
  options: FakeOptions &
    Partial<
      Pick<
        RecoveriesDeps,
        "reached" | "told" | "afterCrash" | "heldBecause" | "contradicted" | "stepMs" | "holder"
      >
    > = {},
) {
  const layers = fakeLayers(db, options);
  const planner = createPlanner({
    world: realWorld,
    configuration: { base: "/", current: () => config },
    layers,
    planServe: async (_, to) => ({
      ...emptyPlan,
      steps: [runtimeStep(await valueIn(db, "runtime"), to)],
    }),
  });
  return await createRecoveries({
    db,
    world: realWorld,
    log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
    planner,
    layers,
    capture: async () => {},
    resumed: async () => "all agents normal",
    heldBecause: options.heldBecause ?? (async () => null),
    contradicted: options.contradicted ?? (async () => "inc_contradiction" as IncidentId),
    told: options.told ?? (async () => {}),
    afterCrash: options.afterCrash ?? "continue",
    ...(options.reached === undefined ? {} : { reached: options.reached }),
    ...(options.holder === undefined ? {} : { holder: options.holder }),
    ...(options.stepMs === undefined ? {} : { stepMs: options.stepMs }),
  });
}
