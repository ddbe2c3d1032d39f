/** The gate: what a candidate must pass before it serves anybody. */
import { hostname } from "node:os";
import type { CheckResult, Evaluator, GateRun } from "@lastgood/sdk";
import type { BankCheck } from "../checks/check.ts";
import type { App } from "../http/app.ts";
import { createGateDesk, type GateDesk } from "./gate-desk.ts";
import { gateRoutes } from "./gate-routes.ts";
import { lastJudged } from "./gate-store.ts";
import { type ExamineDeps, settingsFor, tryChecks } from "./judge.ts";
import { startLiveLooks } from "./live-looks.ts";
import { liveRoutes } from "./live-routes.ts";
import type { CallPerson, ObserveLive } from "./neighbours.ts";
import { createRunKeeper, type RunKeeperDeps } from "./run-keeper.ts";

export interface GateDeps extends ExamineDeps, RunKeeperDeps {
  /** Told of what the bank says of what serves. */
  readonly observeLive: ObserveLive;
}

export interface Gate extends GateDesk {
  /** What judges its answers by what is right; null where nobody says how a release of it is asked. */
  comparedBy(artifact: string): Promise<Evaluator | null>;
  /** What checks that are learned of it leave out of inputs, as JSON paths. */
  droppedOf(artifact: string): Promise<readonly string[]>;
  /** Runs checks that need not be in the bank against one release; null where nobody says how it is asked. */
  tryChecks(
    release: { readonly artifact: string; readonly version: string },
    checks: readonly BankCheck[],
    signal: AbortSignal,
  ): Promise<readonly CheckResult[] | null>;
  /** Its last verdict on a release, of a run that was begun before then; null: it gave none. */
  judgedBefore(
    of: { readonly environment: string; readonly artifact: string; readonly version: string },
    before: Date,
  ): Promise<GateRun | null>;
  /** Who is called where a run that no rollout asked for froze. */
  callThrough(callPerson: CallPerson): void;
  routes(app: App): void;
  stop(): Promise<void>;
}

export function createGate(deps: GateDeps): Gate {
  const { db, world, configuration } = deps;
  let call: CallPerson | null = null;
  const runs = createRunKeeper(deps);
  const desk = createGateDesk({ ...deps, runs, callPerson: () => call });
  const looks = startLiveLooks({ ...deps, holder: `${hostname()}:${process.pid}` });
  return {
    ...desk,
    async comparedBy(artifact) {
      return (await settingsFor(deps, artifact))?.shadow.compare ?? null;
    },
    async droppedOf(artifact) {
      return (await settingsFor(deps, artifact))?.learn.drop ?? [];
    },
    async tryChecks(release, checks, signal) {
      const settings = await settingsFor(deps, release.artifact);
      if (settings === null) return null;
      return await tryChecks(deps, settings, release, checks, () => {}, signal);
    },
    judgedBefore: (of, before) => lastJudged(db, of, before),
    callThrough(callPerson) {
      call = callPerson;
    },
    routes(app) {
      gateRoutes(app, { db, world, configuration, desk });
      liveRoutes(app, { db, looks });
    },
    async stop() {
      await looks.stop();
      await runs.stop();
    },
  };
}
