import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { freePort } from "../../src/free-port.ts";
import { findOrStartKeeper } from "../../src/layers/runtime/keeper-client.ts";
import { serviceFolder } from "../../src/layers/runtime/process-adapter.ts";
import { startLastgood } from "../../src/main.ts";
import { isAlive } from "../../src/process-group.ts";
import { startDatabase } from "../support/database.ts";

test("a stop that is to end the services does so, also where a part of the server could not be closed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-stop-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using store = await startDatabase();
  const home = join(folder, "home");
  const runtime = { adapter: "process", start: ["true"], port: await freePort(), deploy: "manual" };
  const config = configSchema.parse({ services: { api: { runtime } } });
  const lastgood = await startLastgood({
    ...{ home, host: "127.0.0.1", port: 0, databaseUrl: store.url },
    configuration: { base: folder, current: () => config },
    log: pino({ level: "silent" }),
  });
  const { identity } = await findOrStartKeeper(serviceFolder(home, "api"));
  // What the rooms still have to write is lost, and some say so.
  await lastgood.db.end({ timeout: 1 });
  await assert.rejects(lastgood.stop({ services: true }));
  assert.equal(isAlive(identity), false);
});
