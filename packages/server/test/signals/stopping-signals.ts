/** The signals of a process that ends once nothing of them goes on; stopped when it is told to. */
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { createSignals } from "../../src/signals/signals.ts";
import { openDatabase } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";

const { url } = workerData as { url: string };
if (parentPort === null) throw new Error("it is started as a worker");

const db = openDatabase(url);
const services = { api: { url: "http://127.0.0.1:9" } };
const rules = { answers: { service: "api", signal: "answered" } };
const signals = await createSignals({
  ...{ db, world: realWorld, log: pino({ level: "silent" }) },
  configuration: { base: "/", current: () => configSchema.parse({ services, rules }) },
});
const sample = { service: "api", signal: "answered", ok: true, value: null, key: null };
signals.ingest([{ ...sample, at: Date.now(), dimensions: null, hard: null }]);
parentPort.postMessage("runs");
await once(parentPort, "message");
const stopped = await signals.stop().then(
  () => "saved",
  () => "not saved",
);
await db.end({ timeout: 2 });
parentPort.postMessage(stopped);
