/**
 * The parts list: the one place that builds adapters and wires rooms together.
 */
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { createBrief } from "./brief/create-brief.ts";
import type { WorkTrees as SeenWorkTrees } from "./brief/read-tree.ts";
import { createSessionReads, type SessionReads } from "./brief/session-reads.ts";
import { checkpointRoutes } from "./checkpoints/checkpoint-routes.ts";
import { type Checks, createChecks } from "./checks/checks.ts";
import { type Closing, createClosing } from "./closing.ts";
import type { Configuration } from "./config/config.ts";
import { configRoutes } from "./config/config-routes.ts";
import { carriersOf, type Thing, thingsReaching } from "./config/graph.ts";
import { createCoverage } from "./coverage/coverage.ts";
import { createExecutions, type Executions } from "./executions/executions.ts";
import type { ReleaseSample } from "./executions/release-sample.ts";
import { createFanOut } from "./fan-out.ts";
import { createAllClear } from "./fleet/all-clear.ts";
import { startAnnouncing } from "./fleet/announce-loop.ts";
import { createFleet, type Fleet } from "./fleet/create-fleet.ts";
import { createDeployGate, createHeldBack } from "./fleet/deploy-gate.ts";
import { createFleetLayer } from "./fleet/fleet-layer.ts";
import { startTellingResponders } from "./fleet/responder-loop.ts";
import { createGate, type Gate as OwnGate } from "./gate/create-gate.ts";
import { createOwnGateway, type OwnGateway } from "./gateway/own-gateway.ts";
import { ensureFirstToken } from "./http/first-token.ts";
import { listen, requireFreeAddress, stopListening } from "./http/listen.ts";
import { createMetrics, type Metrics } from "./http/metrics.ts";
import { createApp } from "./http/server.ts";
import type { IncidentId, RecoveryId } from "./ids.ts";
import { calmAmong } from "./incidents/calm.ts";
import { startCheckHabits } from "./incidents/check-habits.ts";
import type { EvidenceBoard, Weighing } from "./incidents/evidence-board.ts";
import { createIncidents, type Incidents } from "./incidents/incidents.ts";
import { signalSourceOf } from "./incidents/signal-source.ts";
import { checkHistory, rerunsOf } from "./incidents/triage-store.ts";
import { barsRoutes } from "./layers/code/bars-routes.ts";
import { type Code, createCode } from "./layers/code/code.ts";
import { codeRoutes } from "./layers/code/code-routes.ts";
import { pushHook } from "./layers/code/push-hook.ts";
import { createEffects, type Effects } from "./layers/effects/effects.ts";
import type { Layers } from "./layers/layer.ts";
import type { PutPart } from "./layers/messages/claim-check.ts";
import { createMessages, type Messages } from "./layers/messages/messages.ts";
import { measureMessages } from "./layers/messages/messages-metrics.ts";
import { messagesRoutes } from "./layers/messages/messages-routes.ts";
import { pulseOf } from "./layers/messages/pulse.ts";
import { createRuntime, type Runtime } from "./layers/runtime/create-runtime.ts";
import { createState, type State } from "./layers/state/state.ts";
import { createVersionsLayer } from "./layers/versions/versions-layer.ts";
import { createLearning } from "./learning/learning.ts";
import { learningRoutes } from "./learning/learning-routes.ts";
import { checkOf } from "./learning/learning-store.ts";
import { ledgerRoutes } from "./ledger/ledger-routes.ts";
import { createNotify } from "./notify/create-notify.ts";
import { readOwnBuild } from "./own-build.ts";
import { createCapture } from "./recovery/capture.ts";
import { thingsOf } from "./recovery/plan.ts";
import { createPlanner } from "./recovery/planner.ts";
import { createRecoveries, type RecoveryRoom } from "./recovery/recoveries.ts";
import type { RecoveryEvent } from "./recovery/recovery.ts";
import { recoveryRoutes } from "./recovery/recovery-routes.ts";
import { toApi } from "./recovery/recovery-schema.ts";
import { isVerifiedStep, latestRecovery } from "./recovery/recovery-store.ts";
import type { JournalPoint } from "./recovery/runner.ts";
import { createReleases, type Releases } from "./releases/releases.ts";
import type { Gate, ReleaseJudge } from "./rollouts/neighbours.ts";
import { rulesSeen } from "./rollouts/reverse-drill.ts";
import { createRollouts, type Rollouts } from "./rollouts/rollouts.ts";
import type { Sandboxes } from "./sandbox/sandbox.ts";
import { createSandboxServer } from "./sandbox/sandbox-server.ts";
import { createSandboxes } from "./sandbox/sandboxes.ts";
import { captureSamples } from "./signals/capture.ts";
import { createSignals, type Signals } from "./signals/signals.ts";
import { createSkills, type Skills } from "./skills/skills.ts";
import type { Db } from "./store/database.ts";
import { openStore } from "./store/store.ts";
import { createTasks, type Tasks } from "./tasks/tasks.ts";
import { measureFile } from "./work-trees/measure-file.ts";
import { mayRead } from "./work-trees/readable.ts";
import { createWorkTrees } from "./work-trees/work-trees.ts";
import { realWorld, type World } from "./world.ts";

export interface StartOptions {
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string | null;
  readonly configuration: Configuration;
  readonly world?: World;
  readonly log?: Logger;
  /** Where tests and drills put other parts in place of ours, and hold the journal. */
  readonly seams?: Seams;
}

export interface Seams {
  layers?(ours: Layers): Layers;
  /** In place of triage's own weighing of what an investigation found. */
  weigh?(board: EvidenceBoard): Weighing;
  reached?(recovery: RecoveryId, point: JournalPoint): Promise<void>;
  /** What compares the releases of a rollout, and what stands before its first traffic. */
  readonly judge?: ReleaseJudge;
  readonly gate?: Gate;
  /** What a brief sees of work trees. */
  workTrees?(ours: SeenWorkTrees): SeenWorkTrees;
}

export interface Lastgood {
  readonly url: string;
  /** Null where no endpoint of models is declared. */
  readonly gatewayUrl: string | null;
  /** Holds a working admin token; null where the database's own admins give them. */
  readonly tokenFile: string | null;
  readonly db: Db;
  /** Services that Lastgood serves go on without it, unless they are to be stopped as well. */
  stop(options?: { readonly services?: boolean }): Promise<void>;
}

export async function startLastgood(options: StartOptions): Promise<Lastgood> {
  const closing = createClosing();
  try {
    return await assemble(options, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** What every room gets. */
interface Ground {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly home: string;
  readonly configuration: Configuration;
  /** Null where the store is our own embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  readonly metrics: Metrics;
}

/** What is opened here is handed to `closing` at once, and closed in the reverse order. */
async function assemble(options: StartOptions, closing: Closing): Promise<Lastgood> {
  const { home, databaseUrl, configuration, seams = {} } = options;
  const world = options.world ?? realWorld;
  const log = options.log ?? pino();
  await requireFreeAddress(options);
  const store = await openStore({ home, databaseUrl, log });
  closing.add(() => store.close());
  const tokenFile = await ensureFirstToken({
    home,
    db: store.db,
    world,
    own: store.embedded !== null,
  });
  const own = await readOwnBuild();
  const metrics = createMetrics({ db: store.db, ...own });
  closing.add(() => metrics.stop());
  const ground: Ground = { db: store.db, world, log, home, configuration, databaseUrl, metrics };

  const reached = await openWorld(ground, seams, closing);
  const response = await openResponse(ground, reached, seams, closing);

  const app = await createApp({ ...ground, ...own });
  response.fleet.fence(app);
  reached.releases.fence(app);
  configRoutes(app, ground);
  ledgerRoutes(app, {
    ...ground,
    reaching: (service) => thingsReaching(configuration.current(), service),
  });
  const coverage = createCoverage({
    ...ground,
    ...reached,
    embedded: store.embedded !== null,
    environment: process.env,
  });
  closing.add(() => coverage.stop());
  coverage.routes(app);
  reached.signals.routes(app);
  reached.runtime.routes(app);
  reached.state.routes(app);
  codeRoutes(app, { ...ground, code: reached.code });
  checkpointRoutes(app, ground);
  barsRoutes(app, ground);
  pushHook(app, { code: reached.code, environment: process.env });
  messagesRoutes(app, reached.messages, configuration);
  measureMessages(metrics.registry, ground);
  reached.tasks.routes(app);
  reached.executions.routes(app);
  reached.gateway.routes(app);
  reached.checks.routes(app);
  reached.gate.routes(app);
  reached.effects.routes(app);
  reached.releases.routes(app, {
    ...reached.rollouts,
    heldBecause: (artifact) =>
      heldBecause(response.incidents, [{ layer: "versions", target: artifact }]),
  });
  reached.rollouts.routes(app);
  const workTrees = await createWorkTrees(ground);
  closing.add(() => workTrees.stop());
  workTrees.routes(app);
  const ours: SeenWorkTrees = {
    ...workTrees,
    measure: measureFile,
    mayRead: (agent, path) => mayRead(configuration, agent, path),
  };
  const seen = seams.workTrees?.(ours) ?? ours;
  createBrief({ ...ground, ...reached, skills: response.skills, workTrees: seen }).routes(app);
  response.fleet.routes(app);
  response.notify.routes(app);
  response.incidents.routes(app);
  recoveryRoutes(app, {
    ...ground,
    room: response.recoveries,
    incidentOf: (id) => response.incidents.show(id),
  });
  learningRoutes(app, ground);
  response.skills.routes(app);
  reached.code.start();
  response.fleet.start();
  closing.add(() => stopListening(app));
  closing.add(async () => reached.messages.endWaits());
  await reached.gateway.start();
  const url = await listen(app, { host: options.host, port: options.port });
  return {
    url,
    gatewayUrl: reached.gateway.url(),
    tokenFile,
    db: store.db,
    async stop({ services = false } = {}) {
      await closing.close();
      if (services) await reached.runtime.stopServices();
    },
  };
}

interface Reached {
  readonly signals: Signals;
  readonly messages: Messages;
  readonly tasks: Tasks;
  readonly effects: Effects;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly executions: Executions;
  readonly gateway: OwnGateway;
  readonly checks: Checks;
  readonly gate: OwnGate;
  readonly code: Code;
  readonly state: State;
  readonly reads: SessionReads;
  readonly runtime: Runtime;
  readonly sandboxes: Sandboxes;
}

/** Content that is too large for a stream becomes documents, in its sender's name. */
function putPartInto({ documents }: State): PutPart {
  return async ({ collection, id, body, sender }) => {
    const author = { agent: sender, task: null, session: null, reason: "content of a message" };
    await documents.put({ collection, id }, { body, expect: null }, author);
  };
}

/** How the judge of releases has requests copied that it has no control for. */
const copying = { percent: 50, forMs: 600_000, by: "signals" } as const;

/** What is watched, and what can be put back. */
async function openWorld(ground: Ground, seams: Seams, closing: Closing): Promise<Reached> {
  const signals = await createSignals({
    ...ground,
    controls: {
      begin: async (asked) => void (await gateway.mirrors.start({ ...copying, ...asked })),
      end: async (where, artifact) => void (await gateway.mirrors.end(where, artifact)),
    },
  });
  closing.add(() => signals.stop());
  const reads = createSessionReads(ground);
  closing.add(() => reads.stop());
  const state = createState({ ...ground, onRead: reads.note });
  const messages = await createMessages({ ...ground, putPart: putPartInto(state) });
  closing.add(() => messages.stop());
  const tasks = createTasks({ ...ground, inboxes: messages.inboxes });
  closing.add(() => tasks.stop());
  const effects = createEffects(ground);
  closing.add(() => effects.stop());
  const releases = await createReleases(ground);
  closing.add(() => releases.stop());
  const checks = createChecks({ ...ground, environment: process.env });
  closing.add(() => checks.stop());
  const gate = createGate({
    ...{ ...ground, checks, environment: process.env },
    traffic: { recentInputs: (artifact, limit) => executions.recentInputs(artifact, limit) },
  });
  closing.add(() => gate.stop());
  const rollouts = createRollouts({
    ...{ ...ground, ...releases, environment: process.env },
    judge: seams.judge ?? signals.releases,
    gate: seams.gate ?? gate,
  });
  closing.add(() => rollouts.stop());
  const observing = {
    snapshots: releases.snapshots,
    observe: (samples: readonly ReleaseSample[]) =>
      signals.ingest(samples.map((each) => ({ ...each, hard: null }))),
  };
  const executions = createExecutions({ ...ground, ...observing });
  closing.add(() => executions.stop());
  const gateway = createOwnGateway({
    ...{ ...ground, ...observing, desk: executions.desk, environment: process.env },
  });
  closing.add(() => gateway.stop());
  const code = await createCode({ ...ground, heldBack: createHeldBack(ground.db) });
  closing.add(() => code.stop());
  const { mirrors } = code;
  const environment = process.env;
  const folder = join(ground.home, "sandboxes");
  const server = createSandboxServer({
    home: join(ground.home, "sandbox-postgres"),
    otherwise: ground.databaseUrl,
    log: ground.log,
  });
  const sandboxes = createSandboxes({ ...ground, mirrors, server, folder, environment });
  closing.add(() => sandboxes.close());
  await sandboxes.sweep();
  const runtime = createRuntime({
    ...ground,
    ...{ mirrors, environment },
    tips: code.watch,
    mayDeploy: createDeployGate(ground.db, code.admit),
    isRecovered: (step) => isVerifiedStep(ground.db, step),
    served: sandboxes.warm,
  });
  runtime.onRunning(({ service, at, ok }) => signals.ingest([runningSample(service, at, ok)]));
  const deploying = runtime.start();
  closing.add(() => deploying.stop());
  return {
    ...{ signals, messages, tasks, effects, releases, executions, code, state, reads },
    gateway,
    ...{ checks, gate },
    ...{ rollouts, runtime, sandboxes },
  };
}

interface Response {
  readonly fleet: Fleet;
  readonly notify: ReturnType<typeof createNotify>;
  readonly recoveries: RecoveryRoom;
  readonly incidents: Incidents;
  readonly skills: Skills;
}

/** What happens when something goes wrong: incidents decide, recoveries act, learning keeps. */
async function openResponse(
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
    versions: createVersionsLayer(releases.moving, reached.rollouts.turnBack),
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
    releaseWorks: { ...reached.executions, ...reached.gate, add: reached.checks.bank.add },
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
  const held = (artifact: string) =>
    heldBecause(incidents, [{ layer: "versions", target: artifact }]);
  reached.rollouts.start({ ...incidents, heldBecause: held }, (artifact) =>
    rulesSeen(
      signals.status(null).rules,
      carriersOf(configuration.current(), { layer: "versions", target: artifact }),
    ),
  );
  return { fleet, notify, recoveries, incidents, skills };
}

/** Why nothing automatic may move these now; null where it may. */
async function heldBecause(incidents: Incidents, things: readonly Thing[]): Promise<string | null> {
  const freeze = await incidents.freezeInForce();
  if (freeze !== null) return `everything automatic is frozen by ${freeze.by}: ${freeze.reason}`;
  const taken = await incidents.takenBy(things);
  return taken === null ? null : `${taken.by} took ${taken.incident}`;
}

function runningSample(service: string, at: Date, ok: boolean) {
  return {
    service,
    signal: "running",
    at: at.getTime(),
    ok,
    hard: ok ? null : ("exit" as const),
    value: null,
    key: null,
    dimensions: null,
  };
}
