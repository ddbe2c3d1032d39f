import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import type { Loop } from "../loop.ts";
import type { MoveDeps } from "../releases/move-pin.ts";
import type { PinDesk } from "../releases/pin-desk.ts";
import type { Snapshots } from "../releases/snapshot.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Gate, IncidentDesk, ReleaseJudge } from "./neighbours.ts";
import { createImpassable, type Impassable } from "./passable.ts";
import { createPlainRollback, type PlainRollback } from "./plain-rollback.ts";
import { type PriorProbes, startPriorProbes } from "./prior-probe.ts";
import type { DrillDeps } from "./reverse-drill.ts";
import { createReverseGate } from "./reverse-gate.ts";
import { createRolloutDesk, type RolloutDesk } from "./rollout-desk.ts";
import { seenOf, startRolloutLoop } from "./rollout-loop.ts";
import { rolloutRoutes } from "./rollout-routes.ts";
import { requireNoLoop } from "./rollout-start.ts";
import { turningOn } from "./rollout-store.ts";
import { createTurnBack, type TurnBack } from "./turn-back.ts";
import { wayBackRoutes } from "./way-back-routes.ts";

export interface RolloutsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly moving: MoveDeps;
  readonly desk: PinDesk;
  readonly snapshots: Snapshots;
  /** Null: none is set up. */
  readonly judge: ReleaseJudge | null;
  /** Whether this server is the one that judges now: no other acts on what is said. */
  isJudging(): boolean;
  readonly gate: Gate | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Rollouts {
  /** For the layer of versions: how a recovery turns a dial. */
  readonly turnBack: TurnBack;
  /** For the layer of versions: whether what a pin goes back to can serve. */
  readonly impassable: Impassable;
  /** Why no agent may deploy here now: a rollout turns the dial; null: none does. */
  turnedBy(dial: {
    readonly environment: string;
    readonly artifact: string;
  }): Promise<string | null>;
  /** `cap_reached` where rollouts went back by themselves too often in a row for an agent to go on. */
  requireNoLoop(dial: { readonly environment: string; readonly artifact: string }): Promise<void>;
  /** After `start`. */
  readonly rollBack: PlainRollback;
  /** Begins to act, once there is somebody to tell. */
  start(incidents: IncidentDesk, rulesOf: DrillDeps["rulesOf"]): void;
  /** After `start`. */
  routes(app: App): void;
  stop(): Promise<void>;
}

interface Started {
  readonly loop: Loop;
  readonly desk: RolloutDesk;
  readonly probes: PriorProbes;
  readonly incidents: IncidentDesk;
  readonly rollBack: PlainRollback;
}

/** Rollouts: releases taken up a dial and back again. */
export function createRollouts(deps: RolloutsDeps): Rollouts {
  const { db, world, configuration } = deps;
  const reverseGate = createReverseGate(deps);
  const impassable = createImpassable(reverseGate);
  const holder = `${hostname()}:${process.pid}`;
  let started: Started | null = null;
  const running = () => {
    if (started !== null) return started;
    throw new Error("rollouts are asked for before they were started");
  };
  return {
    async turnedBy(dial) {
      const turning = await turningOn(db, dial);
      if (turning === null) return null;
      const { id, startedBy, candidate } = turning.rollout;
      return `${startedBy} rolls out ${candidate} in ${id}`;
    },
    requireNoLoop: (dial) => requireNoLoop(db, configuration, dial),
    impassable,
    rollBack: (order) => running().rollBack(order),
    turnBack: createTurnBack({ db, world, wake: () => started?.loop.wake() }),
    start(incidents, rulesOf) {
      const acting = { ...deps, incidents, reverseGate, rulesOf, holder };
      const loop = startRolloutLoop(acting);
      const desk = createRolloutDesk({ ...acting, wake: loop.wake });
      const rollBack = createPlainRollback({
        ...acting,
        impassable,
        pins: deps.desk,
        rollouts: desk,
      });
      started = { loop, desk, incidents, rollBack, probes: startPriorProbes(acting) };
    },
    routes(app) {
      const { desk, incidents, probes } = running();
      rolloutRoutes(app, {
        ...{ db, world, configuration, desk, heldBecause: incidents.heldBecause },
        seen: ({ rollout }) => seenOf({ ...deps, incidents }, rollout),
      });
      wayBackRoutes(app, { db, world, desk, probes });
    },
    async stop() {
      await started?.probes.stop();
      await started?.loop.stop();
    },
  };
}
