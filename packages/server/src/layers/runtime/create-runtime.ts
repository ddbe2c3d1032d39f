/** Puts the runtime's parts together. */
import type { Logger } from "pino";
import type { Configuration, ServiceConfig } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Mirrors } from "../../git/mirror.ts";
import type { App } from "../../http/app.ts";
import type { ChangeId } from "../../ids.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { Undo } from "../layer.ts";
import { createCommandAdapter } from "./command-adapter.ts";
import { startDeployLoop } from "./deploy-loop.ts";
import { createDeploys } from "./deploys.ts";
import { createProcessAdapter, type ProcessAdapter, serviceFolder } from "./process-adapter.ts";
import { createRuntimeLayer } from "./runtime-layer.ts";
import { runtimeRoutes } from "./runtime-routes.ts";
import type { MayDeploy, Running, RuntimeAdapter, TipSource } from "./service.ts";
import { createServices } from "./services.ts";

export interface RuntimeDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly home: string;
  readonly configuration: Configuration;
  readonly mirrors: Mirrors;
  readonly tips: TipSource;
  readonly mayDeploy: MayDeploy;
  /** Whether the recovery of which this change is a step was verified: what it set may move again. */
  readonly isRecovered: (step: ChangeId) => Promise<boolean>;
  /** Told at each switch. Returns at once and never throws. */
  readonly served: (service: string, revision: string) => void;
  /** Lastgood's own environment, of which services get what they name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const logBytesCaptured = 262_144;
const stopMsMax = 60_000;

export function createRuntime(deps: RuntimeDeps) {
  const { db, configuration, home, mirrors, environment } = deps;
  const adapters = new Map<
    string,
    { declared: string; adapter: RuntimeAdapter | ProcessAdapter }
  >();
  const listeners = new Set<(running: Running) => void>();

  /** One adapter per service for as long as its declaration stays the same. */
  function adapterOf(service: string): RuntimeAdapter | ProcessAdapter {
    const config = configuration.current().services[service];
    const runtime = config?.runtime;
    if (config === undefined || runtime === undefined) {
      throw new Fault(
        "not_found",
        `The service ${service.slice(0, 100)} ${config === undefined ? "is not declared" : "declares no runtime"}: see \`services\` in lastgood.yaml.`,
      );
    }
    const declared = JSON.stringify(config);
    const known = adapters.get(service);
    if (known?.declared === declared) return known.adapter;
    const adapter = build(service, config, runtime);
    adapters.set(service, { declared, adapter });
    return adapter;
  }

  function build(
    service: string,
    { repository }: ServiceConfig,
    runtime: NonNullable<ServiceConfig["runtime"]>,
  ): RuntimeAdapter | ProcessAdapter {
    if (runtime.adapter === "command") {
      return createCommandAdapter({
        service,
        config: runtime,
        base: configuration.base,
        environment,
      });
    }
    return createProcessAdapter({
      service,
      config: runtime,
      folder: serviceFolder(home, service),
      mirror: async () => await mirrors.of(repository ?? ""),
      environment,
    });
  }

  const deploys = createDeploys({ ...deps, adapterOf });
  const layer = createRuntimeLayer({ db, configuration, deploys, adapterOf });
  const services = createServices({ ...deps, deploys, adapterOf });
  const running = () => {
    const declared = configuration.current().services;
    return Object.keys(declared).filter((name) => declared[name]?.runtime?.adapter === "process");
  };

  return {
    layer,
    planServe: layer.planServe,
    services,
    routes: (app: App) => runtimeRoutes(app, services),

    /** Whether each service runs, as it is seen. A listener returns at once and never throws. */
    onRunning(listener: (running: Running) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    /** Served files that differ from the served revision; null where that cannot be seen. */
    async drift(service: string, signal: AbortSignal): Promise<readonly string[] | null> {
      const adapter = adapterOf(service);
      const { revision } = await adapter.read(signal);
      return revision === null ? null : await adapter.drift(revision, signal);
    },

    /** The logs of the damaged services, for the capture of the bad window. */
    capture: {
      kind: "logs",
      async collect({ services: damaged }: Undo) {
        const names = running().filter((name) => damaged.some((each) => each === name));
        const texts = await Promise.all(
          names.map(async (name) => ({
            name,
            content: (await adapterOf(name).logs(logBytesCaptured)) ?? "",
          })),
        );
        return texts;
      },
    },

    start() {
      return startDeployLoop({
        ...deps,
        deploys,
        adapterOf,
        onRunning: (running) => {
          for (const listener of listeners) listener(running);
        },
      });
    },

    /** Ends every process of every service. They stay on record as served: the next start brings them back. */
    async stopServices(): Promise<void> {
      const signal = AbortSignal.timeout(stopMsMax);
      await Promise.all(running().map((name) => adapterOf(name).stop(signal)));
    },
  };
}

export type Runtime = ReturnType<typeof createRuntime>;
