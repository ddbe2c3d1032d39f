/** What happens when something goes wrong. */
import type { Closing } from "../closing.ts";
import { carriersOf, type Thing } from "../config/graph.ts";
import { createFanOut } from "../fan-out.ts";
import { createAllClear } from "../fleet/all-clear.ts";
import { startAnnouncing } from "../fleet/announce-loop.ts";
import { createFleet, type Fleet } from "../fleet/create-fleet.ts";
import { createFleetLayer } from "../fleet/fleet-layer.ts";
import { startTellingResponders } from "../fleet/responder-loop.ts";
import type { IncidentId } from "../ids.ts";
import { calmAmong } from "../incidents/calm.ts";
import { startCheckHabits } from "../incidents/check-habits.ts";
import { createIncidents, type Incidents } from "../incidents/incidents.ts";
import { signalSourceOf } from "../incidents/signal-source.ts";
import { checkHistory, rerunsOf } from "../incidents/triage-store.ts";
import type { Layers } from "../layers/layer.ts";
import { pulseOf } from "../layers/messages/pulse.ts";
import { createVersionsLayer } from "../layers/versions/versions-layer.ts";
import type { ByHand } from "../learning/learn-by-hand.ts";
import { createLearning } from "../learning/learning.ts";
import { checkOf } from "../learning/learning-store.ts";
import { createNotify } from "../notify/create-notify.ts";
import { createCapture } from "../recovery/capture.ts";
import { thingsOf } from "../recovery/plan.ts";
import { createPlanner } from "../recovery/planner.ts";
import { createRecoveries, type RecoveryRoom } from "../recovery/recoveries.ts";
import type { RecoveryEvent } from "../recovery/recovery.ts";
import { toApi } from "../recovery/recovery-schema.ts";
import { latestRecovery } from "../recovery/recovery-store.ts";
import { rulesSeen } from "../rollouts/drill-proofs.ts";
import { captureSamples } from "../signals/capture.ts";
import { createSkills, type Skills } from "../skills/skills.ts";

import { calledOffTurn } from "./called-off.ts";
import type { Ground, Seams } from "./ground.ts";
import type { Reached } from "./reached.ts";

export interface Response {
  readonly fleet: Fleet;
  readonly notify: ReturnType<typeof createNotify>;
  readonly recoveries: RecoveryRoom;
  readonly incidents: Incidents;
  readonly skills: Skills;
  readonly byHand: ByHand;
}

/** What happens when something goes wrong: incidents decide, recoveries act, learning keeps. */
export async function openResponse(
  ground: Ground,
  reached: Reached,
  seams: Seams,
  closing: Closing,
): Promise<Response> {
  const { db, configuration } = ground;
  const { signals, messages, tasks, effects, releases, executions, code } = reached;
  const { state, runtime, sandboxes } = reached;
  const notify = createNotify(ground);
  closing.add(() => notify.stop());
  const fleet = createFleet({
    ...ground,
    registry: ground.metrics.registry,
    inboxes: messages.inboxes,
    ended: [tasks.sessionEnded, effects.sessionEnded, executions.sessionEnded],
    giveBack: (agent, session) => messages.giveBack(agent, session),
    parked: (agent, because) => incidents.reportStorm(agent, because),
    released: (agent, by, because) => incidents.stormOver(agent, by, because),
    duplicatesPrevented: async (since, agent) => ({
      messages: await messages.recognised(since, agent),
      effects: (await effects.counts(since, agent ?? null)).replayed,
    }),
  });
  closing.add(() => fleet.stop());
  const ours: Layers = {
    fleet: createFleetLayer({
      ...ground,
      inboxes: messages.inboxes,
      fence: (tx, agent, because) => fleet.sessions.endLiving(tx, agent, "fenced", because),
    }),
    versions: createVersionsLayer(releases.moving, reached.rollouts),
    code: code.layer,
    state: state.layer,
    messages: messages.layer,
    runtime: runtime.layer,
    signals: signals.layer,
  };
  const layers = seams.layers?.(ours) ?? ours;
  const allClear = createAllClear({
    ...ground,
    pulseOf: (agent, since) => pulseOf(messages, configuration.current(), agent, since),
  });
  const moved = createFanOut<RecoveryEvent>();
  const recoveries = await createRecoveries({
    ...ground,
    layers,
    planner: createPlanner({ ...ground, layers, planServe: runtime.planServe }),
    capture: createCapture(ground, [runtime.capture, captureSamples(signals)]),
    told: moved.tell,
    resumed: ({ undo }, signal) => allClear.untilNormal(undo, signal),
    heldBecause: ({ plan }) => heldBecause(incidents, plan.steps.flatMap(thingsOf)),
    contradicted: (contradiction) => incidents.reportContradiction(contradiction),
    afterCrash: configuration.current().afterCrash,
    ...(seams.reached === undefined ? {} : { reached: seams.reached }),
  });
  closing.add(() => recoveries.loop.stop());
  const records = {
    incidentOf: (id: IncidentId) => incidents.show(id),
    recoveryOf: async (incident: IncidentId) => {
      const latest = await latestRecovery(db, incident);
      return latest === null ? null : toApi(latest);
    },
  };
  const skills = createSkills({
    ...ground,
    ...records,
    checkOf: (incident) => checkOf(db, incident),
    changedLines: async ({ repository, parent, id }, signal) =>
      await (await code.mirrors.of(repository)).changedLines(id, parent, signal),
  });
  const learning = createLearning({
    ...ground,
    ...records,
    sandboxes,
    releaseWorks: {
      ...{ ...reached.executions, ...reached.gate },
      ...{ add: reached.checks.bank.add, learned: reached.checks.bank.learned },
    },
    judgedBefore: reached.gate.judgedBefore,
    bank: reached.checks.bank,
    checkHistory: (service) => checkHistory(db, service),
    rerunsOf: (incident) => rerunsOf(db, incident),
  });
  closing.add(() => learning.stop());
  const incidents: Incidents = createIncidents({
    ...ground,
    signals: signalSourceOf(signals),
    sandboxes,
    mirrors: code.mirrors,
    recoveries,
    notifier: notify.notifier,
    writeUps: {
      ...learning,
      async finish(incident) {
        await learning.finish(incident);
        await skills.learn(incident);
      },
    },
    playbooks: skills,
    replay: signals.replay,
    ...(seams.weigh === undefined ? {} : { weigh: seams.weigh }),
  });
  closing.add(() => incidents.stop());
  moved.subscribe(incidents.recoveryMoved);
  moved.subscribe(skills.recoveryMoved);
  const announcing = startAnnouncing({
    ...ground,
    inboxes: messages.inboxes,
    servicesOf: async (id) => (await incidents.show(id)).symptoms.map(({ service }) => service),
  });
  closing.add(() => announcing.stop());
  const responding = startTellingResponders({
    ...ground,
    inboxes: messages.inboxes,
    dossierOf: incidents.dossier,
  });
  closing.add(() => responding.stop());
  const habits = startCheckHabits({
    ...ground,
    sandboxes,
    calm: async () =>
      calmAmong(await runtime.services.list(), signals.status(null).rules, ground.world.now()),
  });
  closing.add(() => habits.stop());
  code.watch.onBarred(incidents.reportBarred);
  reached.gate.callThrough(({ run: rollout, ...about }) =>
    incidents.reportStuck({ ...about, rollout }),
  );
  const held = async (artifact: string, environment: string) =>
    (await heldBecause(incidents, [{ layer: "versions", target: artifact }])) ??
    (await calledOffTurn(db, recoveries, { environment, artifact }));
  reached.rollouts.start({ ...incidents, heldBecause: held }, (artifact) =>
    rulesSeen(
      signals.status(null).rules,
      carriersOf(configuration.current(), { layer: "versions", target: artifact }),
    ),
  );
  return { fleet, notify, recoveries, incidents, skills, byHand: learning.byHand };
}

/** Why nothing automatic may move these now; null where it may. */
export async function heldBecause(
  incidents: Incidents,
  things: readonly Thing[],
): Promise<string | null> {
  const freeze = await incidents.freezeInForce();
  if (freeze !== null) return `everything automatic is frozen by ${freeze.by}: ${freeze.reason}`;
  const taken = await incidents.takenBy(things);
  return taken === null ? null : `${taken.by} took ${taken.incident}`;
}
