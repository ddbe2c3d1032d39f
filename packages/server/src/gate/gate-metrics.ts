import { Gauge, type Registry } from "prom-client";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { lastVerdicts, outcomesSince } from "./gate-store.ts";
import { listLooks } from "./live-store.ts";

const dayMs = 86_400_000;
/** So many artifacts have a series of their own: those that were judged last. */
const artifactsMax = 100;
const outcomes = ["running", "promote", "refuse", "freeze", "checks-only", "broken-off"] as const;

/** What the gate says, at `/metrics`, and what the bank says of what serves. */
export function measureGate(registry: Registry, { db, world }: { db: Db; world: World }): void {
  const registers = [registry];
  new Gauge({
    name: "lastgood_gate_runs",
    help: "Runs of the gate that were begun within the last day, by what came of them.",
    labelNames: ["outcome"],
    registers,
    async collect() {
      for (const outcome of outcomes) this.labels(outcome).set(0);
      const since = new Date(world.now().getTime() - dayMs);
      for (const { outcome, runs } of await outcomesSince(db, since)) {
        this.labels(outcome).set(runs);
      }
    },
  });
  const ages = new Gauge({
    name: "lastgood_live_look_age_seconds",
    help: "How long ago the bank was last asked of what serves.",
    labelNames: ["environment", "artifact"],
    registers,
  });
  new Gauge({
    name: "lastgood_live_passes",
    help: "1 where what serves passes what it did, 0 where it fails what passed before and what a rollback goes to passes; absent where that could not be told.",
    labelNames: ["environment", "artifact"],
    registers,
    async collect() {
      this.reset();
      ages.reset();
      const now = world.now().getTime();
      for (const { environment, artifact, ok, at } of (await listLooks(db)).slice(
        0,
        artifactsMax,
      )) {
        ages.labels(environment, artifact).set((now - at.getTime()) / 1_000);
        if (ok !== null) this.labels(environment, artifact).set(ok ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: "lastgood_gate_last_verdict",
    help: "1 for the gate's last verdict on a candidate of each artifact.",
    labelNames: ["artifact", "verdict"],
    registers,
    async collect() {
      this.reset();
      for (const { artifact, verdict } of await lastVerdicts(db, artifactsMax)) {
        this.labels(artifact, verdict).set(1);
      }
    },
  });
}
