import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endLeftovers } from "../support/leftovers.ts";

const making = `
  const { makeHome } = await import(${JSON.stringify(import.meta.resolve("../support/leftovers.ts"))});
  process.stdout.write(await makeHome());
  setInterval(() => {}, 1_000);`;

test("the home of a test run that was killed is removed by the next; that of one that runs is not", async () => {
  const run = spawn(process.execPath, [
    "--conditions=development",
    "--input-type=module",
    "-e",
    making,
  ]);
  const ended = once(run, "exit");
  try {
    const [told] = (await once(run.stdout, "data")) as [Buffer];
    const home = told.toString();
    mkdirSync(join(home, "data"));
    // As a PostgreSQL leaves it that was killed with its run.
    writeFileSync(join(home, "data/postmaster.pid"), `999999999\n${home}/data\n1\n20000\n`);
    await endLeftovers();
    assert.ok(existsSync(home), "its run goes on");
    run.kill("SIGKILL");
    await ended;
    await endLeftovers();
    assert.ok(!existsSync(home), "its run is gone");
  } finally {
    run.kill("SIGKILL");
  }
});
