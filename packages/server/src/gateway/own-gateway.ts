/** The gateway of this very server: it knows the pins, the callers and the executions at first hand. */
import type { GatewayReport, JsonValue } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { ExecutionDesk } from "../executions/execution-desk.ts";
import { toApi } from "../executions/execution-schemas.ts";
import type { ReleaseSample } from "../executions/release-sample.ts";
import { Fault } from "../fault.ts";
import type { Actor } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { authenticate } from "../http/tokens.ts";
import { findArtifact } from "../releases/artifact-store.ts";
import { findRelease, readContent } from "../releases/release-store.ts";
import type { Snapshots } from "../releases/snapshot.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { createAdmission } from "./admission.ts";
import type { ExecutionBooks } from "./execution-keeper.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import { gatewayRoutes } from "./gateway-routes.ts";
import { saveReported } from "./gateway-store.ts";
import { createMirrorDesk, type MirrorDesk } from "./mirror-desk.ts";
import { pinsOfSnapshots } from "./pin-source.ts";

export interface OwnGatewayDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly snapshots: Snapshots;
  readonly desk: ExecutionDesk;
  readonly environment: Readonly<Record<string, string | undefined>>;
  observe(samples: readonly ReleaseSample[]): void;
  /** What turned out of these requests judges the copies of them that have just come. */
  judgeCopies(live: readonly string[]): Promise<void>;
}

export interface OwnGateway {
  routes(app: App): void;
  readonly mirrors: MirrorDesk;
  /** The right answers of these requests were told. Never waits, never throws. */
  turnedOut(ids: readonly string[]): void;
  /** Listens, where an endpoint is declared. */
  start(): Promise<void>;
  /** Null: there is none. */
  url(): string | null;
  stop(): Promise<void>;
}

export function createOwnGateway(deps: OwnGatewayDeps): OwnGateway {
  const { db, world, configuration, snapshots, log } = deps;
  let gateway: Gateway | null = null;
  let stopPins = () => {};
  const take = async (environment: string, report: GatewayReport) => {
    const unknown = await saveReported(db, environment, report.executions, world.now());
    if (unknown > 0)
      log.warn({ unknown }, "executions of releases that nobody knows were left out");
    const copied = report.executions.flatMap(({ mirrorOf }) => mirrorOf ?? []);
    if (copied.length > 0) await deps.judgeCopies(copied);
    deps.observe(report.samples.map((sample) => observed(environment, sample)));
  };
  const mirrors = createMirrorDesk({
    ...{ db, world },
    async changed(environment) {
      if (environment !== configuration.current().releases.environment) return;
      gateway?.order(await mirrors.orders(environment));
    },
  });
  return {
    mirrors,
    routes: (app) => gatewayRoutes(app, { mirrors, take }),
    async start() {
      const { gateway: settings, releases } = configuration.current();
      if (Object.keys(settings.endpoints).length === 0) return;
      const { environment } = releases;
      const pins = await pinsOfSnapshots(snapshots, environment);
      stopPins = pins.stop;
      gateway = await openGateway(
        {
          ...{ world, log, pins, environment: deps.environment },
          settings: () => configuration.current().gateway,
          admission: createAdmission({
            look: async (token) => callerOf(await authenticate(db, world, token)),
            now: () => world.now().getTime(),
          }),
          books: booksOf(deps),
          async send(report) {
            await take(environment, report);
            return null;
          },
        },
        settings,
      );
      gateway.order(await mirrors.orders(environment));
    },
    turnedOut: (ids) => gateway?.turnedOut(ids),
    url: () => gateway?.url ?? null,
    async stop() {
      stopPins();
      await gateway?.stop();
    },
  };
}

/** One that only looks does not spend money. */
function callerOf(actor: Actor) {
  if (actor.role === "viewer") {
    throw new Fault(
      "forbidden",
      `The token "${actor.name}" is a viewer's; the gateway needs an agent's, or more.`,
    );
  }
  return actor.role === "agent"
    ? { name: actor.agent, agent: actor.agent }
    : { name: `token:${actor.name}`, agent: null };
}

/** The desk, asked as the gateway itself: it speaks for every agent. */
function booksOf({ db, desk, configuration, snapshots }: OwnGatewayDeps): ExecutionBooks {
  const self: Actor = { role: "operator", token: "gateway", name: "gateway" };
  return {
    async begin(wanted) {
      const { artifact, key, id = null, target = key, agent = null, session = null } = wanted;
      const { environment = configuration.current().releases.environment } = wanted;
      const { dimensions = null, input = null, expireMs = 900_000 } = wanted;
      const begun = await desk.begin(self, {
        ...{ environment, artifact, key, id, target, agent, session, dimensions, expireMs },
        ...{ door: "gateway", input, late: null },
      });
      return { go: begun.go, execution: toApi(begun.execution) };
    },
    async step(id) {
      const { go, execution } = await desk.step(self, id);
      return { go, execution: toApi(execution) };
    },
    async end(id, state) {
      const error = state === "failed" ? "its client said so" : null;
      await desk.end(self, id, { state, error, output: undefined, keepOutput: true, at: null });
    },
    async release(artifact, version) {
      const release = await findRelease(db, artifact, version);
      const known = await findArtifact(db, artifact);
      if (release === null || known === null) return null;
      const body = await readContent(db, release.digest);
      const { environment } = configuration.current().releases;
      const { epoch } = await snapshots.current(environment);
      const content = body === null ? undefined : (JSON.parse(body) as JsonValue);
      const { kind, inFlight } = known;
      return { environment, artifact, kind, version, epoch, content, inFlight };
    },
  };
}

function observed(environment: string, sample: GatewayReport["samples"][number]): ReleaseSample {
  const { release, service, signal, at, ok, value, key, dimensions } = sample;
  return {
    ...{ environment, release, service, signal, at: Date.parse(at) },
    ...{ ok: ok ?? null, value: value ?? null, key: key ?? null, dimensions: dimensions ?? null },
  };
}
