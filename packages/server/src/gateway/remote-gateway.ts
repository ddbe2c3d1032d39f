/**
 * A gateway in a process of its own, before a server that may be away: it goes on from its last pins, lets in
 * whom it knew, and keeps what passed until somebody takes it.
 *
 *     pins.json      the last snapshot of the pins
 *     reports.json   what passed and nobody took before a stop
 *     callers.json   digests of the tokens that were let in, so that a restart without the server knows them
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Connection, createClient, type GatewayReport, type Lastgood } from "@lastgood/sdk";
import { fileStorage } from "@lastgood/sdk/file";
import type { Logger } from "pino";
import type { GatewayConfig } from "../config/gateway-settings.ts";
import { Fault } from "../fault.ts";
import { startLoop } from "../loop.ts";
import { realWorld } from "../world.ts";
import { createAdmission, type Known } from "./admission.ts";
import type { ExecutionBooks } from "./execution-keeper.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import { pinsOfReleases } from "./pin-source.ts";

export interface RemoteGatewayOptions {
  readonly connection: Connection;
  /** Where the last pins and callers are kept. */
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly environment: string;
  settings(): GatewayConfig;
  readonly log: Logger;
}

const ordersEveryMs = 2_000;
const keepEveryMs = 1_000;
/** A start without a server, where nothing was kept, waits for one so long. */
const patienceMs = 60_000;

/** Faults where neither the server nor a kept snapshot is there. */
export async function startRemoteGateway(options: RemoteGatewayOptions): Promise<Gateway> {
  const { connection, home, environment, settings, log } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  const client = createClient(connection);
  const releases = await client.releases({
    ...{ environment, patienceMs, storage: fileStorage(join(home, "pins.json")) },
    onTrouble: (fault) => log.debug({ err: fault }, "the pins cannot be followed now"),
  });
  const callers = await readKept<Stored>(join(home, "callers.json"), log);
  const left = await readKept<GatewayReport>(join(home, "reports.json"), log);
  await rm(join(home, "reports.json"), { force: true });
  const admission = createAdmission({
    look: (token) => createClient({ ...connection, token }).gatewayCaller(),
    now: Date.now,
    known: new Map(Object.entries(callers ?? {})),
  });
  const { url } = connection;
  log.info({ url, epoch: releases.epoch, stale: releases.stale }, "the gateway has its pins");
  const send = (report: GatewayReport) => client.reportGateway(environment, report);
  const gateway = await openGateway(
    {
      ...{ world: realWorld, log, settings, environment: process.env, admission, send },
      ...{ pins: pinsOfReleases(releases), books: booksOf(client, environment) },
      ...(left === null ? {} : { left }),
    },
    options,
  ).catch(async (error: unknown) => {
    await releases.close();
    throw error;
  });
  const ordering = startLoop({
    name: "gateway.orders",
    everyMs: ordersEveryMs,
    log: quietly(log),
    run: async () => gateway.order(await send({ samples: [], executions: [] })),
  });
  const keep = createCallersFile(join(home, "callers.json"));
  const keeping = startLoop({
    ...{ name: "gateway.callers", everyMs: keepEveryMs, log },
    run: () => keep(admission.known()),
  });
  return {
    ...gateway,
    async stop() {
      await ordering.stop();
      await keeping.stop();
      const untold = await gateway.stop();
      if (untold.samples.length + untold.executions.length > 0) {
        await writeFile(join(home, "reports.json"), JSON.stringify(untold), { mode: 0o600 });
      }
      await keep(admission.known());
      await releases.close();
      return untold;
    },
  };
}

/** The desk elsewhere. What it lets in, it lets in for every agent: the gateway's token is an operator's. */
function booksOf(client: Lastgood, environment: string): ExecutionBooks {
  return {
    begin: (wanted) => client.beginExecution({ ...wanted, door: "gateway" }),
    step: (id) => client.stepExecution(id),
    async end(id, state) {
      await client.endExecution(id, {
        ...{ state, ...(state === "failed" ? { error: "its client said so" } : {}) },
      });
    },
    async release(artifact, version) {
      try {
        const { content } = await client.release(artifact, version);
        const { kind, inFlight } = await client.artifact(artifact);
        const { epoch } = await client.pin(environment, artifact);
        return { environment, artifact, kind, version, epoch, inFlight, content };
      } catch (error) {
        if (error instanceof Fault) return null;
        throw error;
      }
    },
  };
}

type Stored = Readonly<Record<string, Known>>;

/** Null where nothing was kept, or where what was kept cannot be read: that is told, and no reason not to start. */
async function readKept<T>(path: string, log: Logger): Promise<T | null> {
  try {
    // Written by us alone, in a folder of our own.
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    const isNew = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isNew) log.warn({ err: error, path }, "what the gateway kept cannot be read");
    return null;
  }
}

/** Written when somebody new came, or was asked about again. */
function createCallersFile(path: string): (known: ReadonlyMap<string, Known>) => Promise<void> {
  let written = "{}";
  return async (known) => {
    const text = JSON.stringify(Object.fromEntries(known));
    if (text === written) return;
    await writeFile(`${path}.next`, text, { mode: 0o600 });
    await rename(`${path}.next`, path);
    written = text;
  };
}

/** A server that is away is said by `/health`, and not every two seconds. */
function quietly(log: Logger): Logger {
  return log.child({}, { level: "fatal" });
}
