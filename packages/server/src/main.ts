import { type Logger, pino } from "pino";
import { createBrief } from "./brief/create-brief.ts";
import type { WorkTrees as SeenWorkTrees } from "./brief/read-tree.ts";
import { checkpointRoutes } from "./checkpoints/checkpoint-routes.ts";
import { type Closing, createClosing } from "./closing.ts";
import type { Configuration } from "./config/config.ts";
import { configRoutes } from "./config/config-routes.ts";
import { thingsReaching } from "./config/graph.ts";
import { createCoverage } from "./coverage/coverage.ts";
import { ensureFirstToken } from "./http/first-token.ts";
import { listen, requireFreeAddress, stopListening } from "./http/listen.ts";
import { createMetrics } from "./http/metrics.ts";
import { createApp } from "./http/server.ts";
import { barsRoutes } from "./layers/code/bars-routes.ts";
import { codeRoutes } from "./layers/code/code-routes.ts";
import { pushHook } from "./layers/code/push-hook.ts";
import { measureMessages } from "./layers/messages/messages-metrics.ts";
import { messagesRoutes } from "./layers/messages/messages-routes.ts";
import { learningRoutes } from "./learning/learning-routes.ts";
import { ledgerRoutes } from "./ledger/ledger-routes.ts";
import { readOwnBuild } from "./own-build.ts";
import type { Ground, Seams } from "./parts/ground.ts";
import { openWorld } from "./parts/reached.ts";
import { heldBecause, openResponse } from "./parts/response.ts";
import { recoveryRoutes } from "./recovery/recovery-routes.ts";
import type { Db } from "./store/database.ts";
import { openStore } from "./store/store.ts";
import { measureFile } from "./work-trees/measure-file.ts";
import { mayRead } from "./work-trees/readable.ts";
import { createWorkTrees } from "./work-trees/work-trees.ts";
import { realWorld, type World } from "./world.ts";

export type { Seams } from "./parts/ground.ts";

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
  learningRoutes(app, { ...ground, byHand: response.byHand });
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
      try {
        await closing.close();
      } finally {
        if (services) await reached.runtime.stopServices();
      }
    },
  };
}
