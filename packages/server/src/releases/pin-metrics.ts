import { Gauge, type Registry } from "prom-client";
import type { Configuration } from "../config/config.ts";
import type { Db } from "../store/database.ts";
import { followedIn } from "./consumer-store.ts";
import { listEnvironments } from "./pin-store.ts";

/** Pins and who follows them at `/metrics`: totals, so that many artifacts do not make a large answer. */
export function measurePins(
  registry: Registry,
  { db, configuration }: { readonly db: Db; readonly configuration: Configuration },
): void {
  const registers = [registry];
  const epochs = new Gauge({
    name: "lastgood_pin_epoch",
    help: "The epoch of each environment: it grows with every change of one of its pins.",
    labelNames: ["environment"],
    registers,
  });
  new Gauge({
    name: "lastgood_pins",
    help: "Artifacts that are pinned, by environment.",
    labelNames: ["environment"],
    registers,
    async collect() {
      // There are no more environments than the store lets be made.
      for (const { name, epoch, pins } of await listEnvironments(db)) {
        this.labels(name).set(pins);
        epochs.labels(name).set(epoch);
      }
    },
  });
  new Gauge({
    name: "lastgood_pin_followers",
    help: "Consumers of the configured environment's pins, each counted with every pin that it uses: those that acknowledged it as it is, and those that did not.",
    labelNames: ["state"],
    registers,
    async collect() {
      const followed = await followedIn(db, configuration.current().releases.environment);
      const sum = (of: "acknowledged" | "stragglers") =>
        followed.reduce((total, each) => total + each[of], 0);
      this.labels("acknowledged").set(sum("acknowledged"));
      this.labels("straggler").set(sum("stragglers"));
    },
  });
}
