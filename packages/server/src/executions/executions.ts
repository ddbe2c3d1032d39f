import { chosen, type PinShare } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import { findArtifact } from "../releases/artifact-store.ts";
import { findEpoch, pinHistory, requirePin } from "../releases/pin-store.ts";
import { requireRelease } from "../releases/release-store.ts";
import type { Snapshots } from "../releases/snapshot.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Account, accountOf, type PinMove } from "./account-store.ts";
import { createExecutionDesk, type ExecutionDesk } from "./execution-desk.ts";
import { startBounding, startExpiring, startTrimming } from "./execution-loop.ts";
import { executionRoutes } from "./execution-routes.ts";
import { cancelAllOf } from "./execution-store.ts";
import { createOutcomeDesk } from "./outcome-desk.ts";
import { outcomeRoutes } from "./outcome-routes.ts";
import { failingInputs, recentInputs, type SeenInput } from "./outcome-store.ts";
import type { ReleaseSample } from "./release-sample.ts";
import { createRequeueDesk, type RequeueDesk } from "./requeue-desk.ts";

export interface ExecutionsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly snapshots: Snapshots;
  /** Takes in what executions tell of their releases. Never waits, never throws. */
  observe(samples: readonly ReleaseSample[]): void;
  /** The right answers of these were told. Never waits, never throws. */
  turnedOut(ids: readonly string[]): void;
}

/** What the rest of the program may do with executions. */
export interface Executions {
  routes(app: App): void;
  readonly desk: ExecutionDesk;
  readonly requeues: RequeueDesk;
  /** What became of all that were in flight when the pin moved to this epoch. Faults `not_found`. */
  account(environment: string, artifact: string, epoch: number): Promise<Account>;
  /** Inputs that were kept, newest first, with what turned out. */
  recentInputs(artifact: string, limit: number): Promise<readonly SeenInput[]>;
  /** Of what failed, or turned out wrong, under a release. */
  failingInputs(
    of: { readonly environment: string; readonly artifact: string; readonly version: string },
    limit: number,
  ): Promise<readonly SeenInput[]>;
  /** Copies of these live requests have just come into the books. */
  judgeCopies(live: readonly string[]): Promise<void>;
  /** What the session had under way waits to be done again, in the very transaction that ends it. */
  sessionEnded(tx: Tx, session: { readonly id: string }): Promise<void>;
  stop(): Promise<void>;
}

export function createExecutions(deps: ExecutionsDeps): Executions {
  const { db, world, configuration, snapshots } = deps;
  const sharesOf = async (environment: string, artifact: string): Promise<readonly PinShare[]> =>
    (await snapshots.current(environment)).pins.get(artifact)?.releases ?? [];
  const desk = createExecutionDesk({
    ...deps,
    async chosenFor(environment, artifact, target) {
      const pin = (await snapshots.current(environment)).pins.get(artifact);
      const release = pin?.releases[chosen(pin.releases, artifact, target)];
      return pin === undefined || release === undefined
        ? null
        : { version: release.version, epoch: pin.epoch };
    },
    epochOf: async (environment) => (await findEpoch(db, environment)) ?? 0,
    policyOf: async (artifact) => (await findArtifact(db, artifact))?.inFlight ?? null,
    requireRelease: async (artifact, version) => void (await requireRelease(db, artifact, version)),
  });
  const requeues = createRequeueDesk({ db, world, pinnedOf: sharesOf });
  const outcomes = createOutcomeDesk(deps);
  const looping = {
    ...deps,
    keeping() {
      const { keep, keepLast, record } = configuration.current().gateway;
      const inputs = Object.entries(record).map(([artifact, last]) => ({ artifact, last }));
      return { gatewayMs: keep, gatewayLast: keepLast, inputs };
    },
  };
  const loops = [startExpiring(looping), startTrimming(looping), startBounding(looping)];
  const moveOf = (environment: string, artifact: string, epoch: number | null) =>
    findMove(db, environment, artifact, epoch);
  return {
    ...{ desk, requeues },
    routes(app) {
      executionRoutes(app, { db, configuration, desk, requeues, moveOf });
      outcomeRoutes(app, outcomes);
    },
    account: async (environment, artifact, epoch) =>
      accountOf(db, await moveOf(environment, artifact, epoch)),
    recentInputs: (artifact, limit) => recentInputs(db, artifact, limit),
    failingInputs: (of, limit) => failingInputs(db, of, limit),
    judgeCopies: (live) => outcomes.judgeCopies(live),
    sessionEnded: (tx, { id }) => cancelAllOf(tx, id, world.now()),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

/** The move that made the epoch; null: the last one. */
async function findMove(
  db: Db,
  environment: string,
  artifact: string,
  epoch: number | null,
): Promise<PinMove> {
  const now = await requirePin(db, environment, artifact);
  if (epoch === null || epoch === now.epoch) return now;
  const history = await pinHistory(db, environment, artifact);
  const move = history.find((each) => each.epoch === epoch);
  if (move !== undefined) return move;
  throw new Fault(
    "not_found",
    `The pin of ${artifact} in ${environment} did not move at epoch ${epoch}: see \`lastgood pins show ${artifact}\`.`,
    { context: { path: "epoch" } },
  );
}
