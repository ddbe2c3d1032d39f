/**
 * The incidents room: what went wrong, who did it, and who is called.
 *
 * It opens and follows incidents, finds what did it, and decides. It moves nothing of the world: that is
 * the recovery room's, which tells back how far it is.
 */
import { hostname } from "node:os";
import type { Incident as ApiIncident, IncidentDossier } from "@lastgood/sdk";
import type { Thing } from "../config/graph.ts";
import type { App } from "../http/app.ts";
import type { IncidentId } from "../ids.ts";
import type { Contradiction } from "../recovery/contradiction.ts";
import type { RecoveryListener } from "../recovery/recovery.ts";
import type { Verdict } from "../signals/verdict.ts";
import { openContradiction } from "./contradiction.ts";
import { dossierOf } from "./for-responders.ts";
import { type Freeze, readFreeze } from "./freeze.ts";
import { signatureOf } from "./incident.ts";
import { type IncidentLoopDeps, startIncidentLoop } from "./incident-loop.ts";
import { incidentRoutes } from "./incident-routes.ts";
import { toApi } from "./incident-schema.ts";
import { requireIncident } from "./incident-store.ts";
import type { Barred, ReplaySamples } from "./neighbours.ts";
import { notice, symptomOf } from "./notice.ts";
import { type Pace, usualPace } from "./pace.ts";
import { followRecovery } from "./recovery-moves.ts";
import { type ReleaseRegression, reportDrift, reportRelease } from "./release-regression.ts";
import { closeStorm, openStorm } from "./storm.ts";
import { closeStuck, openlyStuck, openStuck, type Stuck } from "./stuck-rollout.ts";
import { takenBy } from "./taken.ts";
import { tellBarred } from "./takeover.ts";

export interface IncidentsDeps
  extends Omit<IncidentLoopDeps, "holder" | "quietMs" | "turnMs" | "pace"> {
  readonly replay: ReplaySamples | null;
  readonly quietMs?: number;
  /** How often the room looks by itself; it is woken when something happens. By default a second. */
  readonly turnMs?: number;
  readonly pace?: Pace;
  /** Names this process among those that share the database; by default host and process id. */
  readonly holder?: string;
}

export interface Incidents {
  /** For the recovery room: how far a recovery is. */
  readonly recoveryMoved: RecoveryListener;
  /** Two actors pull one target in opposite directions: one incident, exactly one page. */
  reportContradiction(contradiction: Contradiction): Promise<IncidentId>;
  /** An agent dies again and again: one incident, exactly one page. */
  reportStorm(agent: string, because: string): Promise<void>;
  /** A person let it start again. */
  stormOver(agent: string, by: string, because: string): Promise<void>;
  /** A rollout's candidate is worse: opened or joined, decided, and put back where that may be. */
  reportRelease(regressed: ReleaseRegression): Promise<IncidentId>;
  /** A release fell with what served before it: opened or joined, and nothing is put back for it. */
  reportDrift(fallen: ReleaseRegression): Promise<void>;
  /** A dial cannot go on by itself: one incident, exactly one page. */
  reportStuck(stuck: Stuck): Promise<IncidentId>;
  /** The rollouts that a person was called for, and since when. */
  stuck(): Promise<readonly { readonly rollout: string; readonly since: Date }[]>;
  /** A person decided what they were called for. */
  stuckOver(rollout: string, by: string, because: string): Promise<void>;
  /** What was rolled back is pushed again: told in the incident, nobody is called anew. */
  reportBarred(barred: Barred): Promise<void>;
  /** Who holds one of these things by `lastgood incident take`; null when automation may move them. */
  takenBy(things: readonly Thing[]): Promise<{ incident: IncidentId; by: string } | null>;
  /** `lastgood freeze`: nothing automatic moves while it is in force. */
  freezeInForce(): Promise<Freeze | null>;
  /** The incident as the API shows it. `not_found` for an unknown one. */
  show(id: IncidentId): Promise<ApiIncident>;
  /** What a responder must know of it, as it stands now. */
  dossier(id: IncidentId): Promise<IncidentDossier>;
  routes(app: App): void;
  stop(): Promise<void>;
}

const quietMsDefault = 10 * 60_000;
const turnMsDefault = 1_000;
/** A regression is said again every few seconds: the same one is looked up in the store this often. */
const knownForMs = 5_000;
const verdictsWaiting = 1_000;

export function createIncidents(deps: IncidentsDeps): Incidents {
  const { db, log, signals, world, writeUps } = deps;
  const loop = startIncidentLoop({
    ...deps,
    pace: deps.pace ?? usualPace,
    holder: deps.holder ?? `${hostname()}:${process.pid}`,
    quietMs: deps.quietMs ?? quietMsDefault,
    turnMs: deps.turnMs ?? turnMsDefault,
  });
  const desk = startDesk(deps, () => loop.wake());
  const unsubscribe = signals.onVerdict(desk.take);

  const show = async (id: IncidentId) => await toApi(db, await requireIncident(db, id));

  return {
    async recoveryMoved(event) {
      await followRecovery(deps, event);
      if (event.incident !== null && event.kind === "restored") writeUps.beginCheck(event.incident);
      loop.wake();
    },
    async reportContradiction(contradiction) {
      const id = await openContradiction(deps, contradiction);
      loop.wake();
      return id;
    },
    reportStorm: (agent, because) => openStorm(deps, agent, because),
    stormOver: (agent, by, because) => closeStorm(deps, agent, by, because),
    async reportRelease(regressed) {
      const id = await reportRelease(deps, regressed);
      loop.wake();
      return id;
    },
    async reportDrift(fallen) {
      if (await reportDrift(deps, fallen)) loop.wake();
    },
    reportStuck: (stuck) => openStuck(deps, stuck),
    stuck: () => openlyStuck(db),
    stuckOver: (rollout, by, because) => closeStuck(deps, rollout, by, because),
    reportBarred: (barred) => tellBarred(deps, barred),
    takenBy: (things) => takenBy(deps, things),
    freezeInForce: () => readFreeze(db),
    show,
    dossier: async (id) =>
      await dossierOf(await show(id), deps.recoveries, deps.configuration.current(), world.now()),
    routes: (app) => incidentRoutes(app, { ...deps, wake: () => loop.wake() }),
    async stop() {
      unsubscribe();
      await desk.stop();
      await loop.stop();
    },
  };

  /** Takes verdicts in one after the other; of one signature only the newest waits. Bounded. */
  function startDesk(given: IncidentsDeps, opened: () => void) {
    const waiting = new Map<string, Verdict>();
    const knownAt = new Map<string, number>();
    const stopping = new AbortController();
    let working: Promise<void> = Promise.resolve();
    let busy = false;

    async function work(): Promise<void> {
      for (const [signature, verdict] of waiting) {
        waiting.delete(signature);
        try {
          const noticed = await notice(given, verdict);
          knownAt.set(signature, world.now().getTime());
          if (noticed.kind === "opened" || noticed.kind === "joined") opened();
        } catch (error) {
          // It is said again within seconds while it lasts: the next one is taken in then.
          log.error({ err: error, signature }, "a verdict could not be taken in");
        }
        if (stopping.signal.aborted) return;
      }
      // In the same breath as the last look at what waits: who comes later begins anew.
      busy = false;
    }

    return {
      take(verdict: Verdict): void {
        const signature = signatureOf(symptomOf(verdict));
        if (verdict.kind !== "regression" && verdict.kind !== "drift") {
          knownAt.delete(signature);
          return;
        }
        const now = world.now().getTime();
        if (now - (knownAt.get(signature) ?? Number.NEGATIVE_INFINITY) < knownForMs) return;
        if (waiting.size >= verdictsWaiting || stopping.signal.aborted) return;
        waiting.set(signature, verdict);
        if (busy) return;
        busy = true;
        working = work();
      },
      async stop(): Promise<void> {
        stopping.abort();
        await working;
      },
    };
  }
}
