import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findProcess } from "../../src/store/process-table.ts";
import { until } from "../support/until.ts";
import { makeHome } from "./home.ts";

test("a stop while PostgreSQL is being started again waits for that one, and ends it", {
  timeout: 60_000,
}, async () => {
  await using home = await makeHome();
  const server = await home.open();
  const { pid: killed } = server;
  process.kill(killed, "SIGKILL");
  const recorded = await until("another to be there, which answers nobody yet", async () => {
    const text = await readFile(join(home.path, "data/postmaster.pid"), "utf8").catch(() => "");
    const pid = Number.parseInt(text, 10);
    return Number.isNaN(pid) || pid === killed ? null : pid;
  });
  await server.stop();
  // One that has ended may be in the table for a moment longer.
  await until("it to be gone", async () => (await findProcess(recorded)) === null);
});
