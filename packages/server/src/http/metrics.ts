/**
 * What the server tells of itself at `/metrics`, in Prometheus' text form.
 *
 * Loops are heard over a diagnostics channel, so that no room has to be handed anything to be counted.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type LoopTurn, loopTurns } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { App } from "./app.ts";

export interface Metrics {
  /** Rooms add their own to it. Names begin with `lastgood_`. */
  readonly registry: Registry;
  routes(app: App): void;
  stop(): void;
}

export function createMetrics({ db, version }: { db: Db; version: string }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Histogram({
    name: "lastgood_http_request_seconds",
    help: "How long requests took, by route.",
    labelNames: ["method", "route", "status"],
    buckets: [0.005, 0.025, 0.1, 0.25, 1, 5, 30],
    registers,
  });
  new Gauge({ name: "lastgood_info", help: "The version.", labelNames: ["version"], registers })
    .labels(version)
    .set(1);
  const lag = measureProcess(registers);
  measureStore(registers, db);
  const hear = hearLoops(registers);

  return {
    registry,
    routes(app) {
      app.addHook("onResponse", async (request, reply) => {
        // Only declared routes have a label of their own, so the number of labels is bounded.
        const route = request.routeOptions.url ?? "none";
        requests
          .labels(request.method, route, String(reply.statusCode))
          .observe(reply.elapsedTime / 1_000);
      });
      app.get(
        "/metrics",
        { config: { allow: "viewer" }, schema: { hide: true } },
        async (_, reply) =>
          await reply
            .type(registry.contentType)
            .serializer((text: string) => text)
            .send(await registry.metrics()),
      );
    },
    stop() {
      lag.disable();
      unsubscribe(loopTurns, hear);
    },
  };
}

type Registers = Registry[];

function measureProcess(registers: Registers) {
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  new Gauge({
    name: "lastgood_process_resident_bytes",
    help: "Memory of the server's process, without PostgreSQL's.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "lastgood_process_uptime_seconds",
    help: "How long the server has run.",
    registers,
    collect() {
      this.set(process.uptime());
    },
  });
  new Gauge({
    name: "lastgood_event_loop_lag_seconds",
    help: "How late the event loop ran since the last look.",
    labelNames: ["quantile"],
    registers,
    collect() {
      for (const percent of [50, 99]) {
        this.labels(String(percent / 100)).set(lag.percentile(percent) / 1e9);
      }
      lag.reset();
    },
  });
  return lag;
}

function hearLoops(registers: Registers): (message: unknown) => void {
  const turns = new Counter({
    name: "lastgood_loop_turns_total",
    help: "Turns of each loop, by how they ended.",
    labelNames: ["loop", "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "lastgood_loop_turn_seconds",
    help: "How long a loop's turns took.",
    labelNames: ["loop"],
    buckets: [0.005, 0.05, 0.5, 5, 60],
    registers,
  });
  const hear = (message: unknown) => {
    const { loop, ok, milliseconds } = message as LoopTurn;
    turns.labels(loop, ok ? "ok" : "failed").inc();
    seconds.labels(loop).observe(milliseconds / 1_000);
  };
  subscribe(loopTurns, hear);
  return hear;
}

const askMsMax = 2_000;

function measureStore(registers: Registers, db: Db): void {
  const up = new Gauge({
    name: "lastgood_store_up",
    help: "1 while PostgreSQL answers.",
    registers,
  });
  new Gauge({
    name: "lastgood_store_connections",
    help: "Connections of Lastgood to its database, by state.",
    labelNames: ["state"],
    registers,
    async collect() {
      this.reset();
      const rows = await withinMs(askMsMax, countConnections(db)).catch(() => null);
      up.set(rows === null ? 0 : 1);
      for (const { state, connections } of rows ?? []) this.labels(state).set(connections);
    },
  });
}

function countConnections(db: Db) {
  return db<{ state: string; connections: number }[]>`
    select coalesce(state, 'unknown') as state, count(*) as connections from pg_stat_activity
    where datname = current_database() and application_name = 'lastgood'
    group by 1`;
}

async function withinMs<T>(milliseconds: number, work: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("late")), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
