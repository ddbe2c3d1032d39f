/**
 * The gateway, put together from whoever knows the pins, the callers and the executions: this server itself, or
 * a server elsewhere that may be away.
 */
import type { GatewayOrders, GatewayReport } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { GatewayConfig } from "../config/gateway-settings.ts";
import { Fault } from "../fault.ts";
import type { World } from "../world.ts";
import type { Admission } from "./admission.ts";
import { openEndpoints } from "./endpoint.ts";
import { createExecutionKeeper, type ExecutionBooks } from "./execution-keeper.ts";
import { createFlights } from "./flights.ts";
import { type GatewayServer, listenAsGateway } from "./gateway-server.ts";
import { createMirroring } from "./mirroring.ts";
import { executionOf, inputOf } from "./passed.ts";
import type { PinSource } from "./pin-source.ts";
import { type ReportCounts, startReports } from "./report.ts";
import { newExecutionId } from "./serve.ts";

export interface GatewayDeps {
  readonly world: World;
  readonly log: Logger;
  settings(): GatewayConfig;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pins: PinSource;
  readonly admission: Admission;
  readonly books: ExecutionBooks;
  /** Rejects where nobody takes it: it is kept, and sent again. Answers what is in force, where it knows. */
  send(report: GatewayReport): Promise<GatewayOrders | null>;
  /** What nobody took before this start. */
  readonly left?: GatewayReport;
}

export interface GatewayHealth extends ReportCounts {
  readonly environment: string;
  readonly epoch: number;
  readonly stale: boolean;
  readonly inFlight: number;
  readonly mirrored: number;
  readonly mirrorsSkipped: number;
}

export interface Gateway {
  readonly url: string;
  health(): GatewayHealth;
  order(orders: GatewayOrders): void;
  /** What turned out of these requests is known. */
  turnedOut(ids: readonly string[]): void;
  /** Answers what is under way, and returns what nobody took of what passed. */
  stop(): Promise<GatewayReport>;
}

/** Listens. Faults `already_open` where the port is taken. */
export async function openGateway(
  deps: GatewayDeps,
  address: { readonly host: string; readonly port: number },
): Promise<Gateway> {
  const { world, log, settings, pins, admission, books } = deps;
  const connections = openEndpoints(deps.environment);
  const reports = startReports({
    log,
    async send(report) {
      const orders = await deps.send(report);
      if (orders !== null) mirroring.order(orders.mirrors);
    },
  });
  if (deps.left !== undefined) reports.tell(deps.left);
  const newId = () => newExecutionId(world);
  const records = (artifact: string) => Object.hasOwn(settings().record, artifact);
  const endpoint = (name: string) => {
    const { endpoints } = settings();
    const config = Object.hasOwn(endpoints, name) ? endpoints[name] : undefined;
    if (config !== undefined) return connections.endpoint(name, config);
    throw new Fault(
      "state_forbids",
      `There is no endpoint ${name.slice(0, 100)}: declare it under gateway.endpoints in lastgood.yaml.`,
    );
  };
  const { environment } = pins;
  const mirroring = createMirroring({ world, reports, environment, endpoint, records, newId });
  const flights = createFlights(pins);
  const keeper = createExecutionKeeper({
    ...{ pins, books, newId, now: () => world.now().getTime() },
    inputOf: ({ artifact, body }) => (records(artifact) ? inputOf(body) : undefined),
    begunAlone(asked, { release, execution: id }) {
      const target = asked.target ?? asked.key;
      const begun = { id, key: asked.key, asked, release, target, attempt: 1, previous: null };
      const running = executionOf({ ...begun, mirrorOf: null, begunAt: world.now() }, null, false);
      reports.tell({ samples: [], executions: [running] });
    },
  });
  const health = (): GatewayHealth => ({
    ...{ environment, epoch: pins.epoch(), stale: pins.isStale(), inFlight: flights.count() },
    ...{ ...reports.counts(), ...mirroring.counts() },
  });
  const serving = { world, pins, keeper, flights, reports, mirroring, endpoint, records };
  const inFlightMax = () => settings().inFlight;
  let server: GatewayServer;
  try {
    server = await listenAsGateway({ ...serving, log, admission, inFlightMax, health }, address);
  } catch (error) {
    await reports.stop();
    throw error;
  }
  return {
    ...{ url: server.url, health },
    order: ({ mirrors }) => mirroring.order(mirrors),
    turnedOut: (ids) => mirroring.turnedOut(ids),
    async stop() {
      await server.stop();
      flights.stop();
      await mirroring.stop();
      connections.close();
      return await reports.stop();
    },
  };
}
