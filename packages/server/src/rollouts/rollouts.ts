import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import type { Loop } from "../loop.ts";
import type { MoveDeps } from "../releases/move-pin.ts";
import type { PinDesk } from "../releases/pin-desk.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Gate, IncidentDesk, ReleaseJudge } from "./neighbours.ts";
import { createReverseGate, type ReverseGate } from "./reverse-gate.ts";
import { createRolloutDesk, type RolloutDesk } from "./rollout-desk.ts";
import { startRolloutLoop, verdictOn } from "./rollout-loop.ts";
import { rolloutRoutes } from "./rollout-routes.ts";
import { createTurnBack, type TurnBack } from "./turn-back.ts";

export interface RolloutsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly moving: MoveDeps;
  readonly desk: PinDesk;
  /** Null: none is set up. */
  readonly judge: ReleaseJudge | null;
  readonly gate: Gate | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Rollouts {
  /** For the layer of versions: how a recovery turns a dial. */
  readonly turnBack: TurnBack;
  readonly reverseGate: ReverseGate;
  /** Begins to act, once there is somebody to tell. */
  start(incidents: IncidentDesk): RolloutDesk;
  routes(app: App): void;
  stop(): Promise<void>;
}

/** Rollouts: releases taken up a dial and back again. */
export function createRollouts(deps: RolloutsDeps): Rollouts {
  const { db, world, configuration } = deps;
  const reverseGate = createReverseGate(deps);
  let loop: Loop | null = null;
  let started: { readonly desk: RolloutDesk; readonly incidents: IncidentDesk } | null = null;
  return {
    reverseGate,
    turnBack: createTurnBack({ db, world, wake: () => loop?.wake() }),
    start(incidents) {
      const acting = { ...deps, incidents, reverseGate };
      const holder = `${hostname()}:${process.pid}`;
      loop = startRolloutLoop({ ...acting, holder });
      const desk = createRolloutDesk({ ...acting, wake: loop.wake });
      started = { desk, incidents };
      return desk;
    },
    routes(app) {
      if (started === null) throw new Error("rollouts are started before their routes");
      const { desk, incidents } = started;
      rolloutRoutes(app, {
        ...{ db, world, configuration, desk, heldBecause: incidents.heldBecause },
        verdictOn: ({ rollout }) => verdictOn(deps, rollout),
      });
    },
    async stop() {
      await loop?.stop();
    },
  };
}
