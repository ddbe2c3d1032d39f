import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { findChanges } from "../../src/ledger/ledger-store.ts";
import { identify } from "../../src/process-group.ts";
import { until } from "../support/until.ts";
import { answerOf, type ServiceWorld, startServiceWorld, untilServes } from "./service-world.ts";

const order = { revision: null, reason: null, override: false, actor: "token:test" };

test("kill -9 of Lastgood leaves its services serving, and the next one adopts them", async () => {
  await using world = await startServiceWorld();
  const revision = await world.behave({});
  const child = await startChild(world);
  await says(child, "deployed");
  await kill(child);
  assert.equal(await answerOf(world), revision);
  const next = await world.again();
  const before = await next.services.show(world.service);
  assert.equal(before.revision, revision);
  const again = await next.services.deploy(world.service, order);
  assert.equal(again.already, true);
  assert.equal((await next.services.show(world.service)).pid, before.pid);
});

test("kill -9 of Lastgood in the middle of a deploy loses neither the switch nor its record", async () => {
  await using world = await startServiceWorld();
  await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const second = await world.behave({ health: 200 });
  const child = await startChild(world);
  await says(child, "deploying");
  await until("the intent", async () => {
    const [row] = await world.store.db`select 1 from service_records where intent is not null`;
    return row ?? null;
  });
  await kill(child);
  world.loop();
  await untilServes(world, second);
  const deploys = await findChanges(world.store.db, { layer: "runtime", limit: 10 });
  assert.equal(deploys[0]?.to, second);
  assert.equal(deploys.length, 2);
});

test("an instance that exits is started again and told of; a repeated exit waits longer", async () => {
  await using world = await startServiceWorld();
  const told: string[] = [];
  world.runtime.onRunning(({ ok, says: text }) => void (ok ? null : told.push(text)));
  const exits = () => told.filter((text) => /exited with code 7/.test(text));
  const revision = await world.behave({});
  world.loop();
  await untilServes(world, revision);
  for (let times = 1; times <= 2; times++) {
    await answerOf(world, "/exit");
    await until(`exit ${times} is told`, () => exits().length === times);
    await untilServes(world, revision);
  }
  const shown = await world.runtime.services.show(world.service);
  assert.equal(shown.restarts, 2);
  assert.equal(shown.events.filter((each) => each.event === "instance.exited").length, 2);
});

test("what ran is started again when its keeper was killed, and nothing of it is left over", async () => {
  await using world = await startServiceWorld();
  const revision = await world.behave({});
  world.loop();
  await untilServes(world, revision);
  const { pid } = await world.runtime.services.show(world.service);
  const record = join(world.folder, "home/services/content-api/keeper.json");
  const keeper = JSON.parse(await readFile(record, "utf8")) as { pid: number };
  process.kill(keeper.pid, "SIGKILL");
  await untilServes(world, revision);
  assert.equal(identify(pid ?? 0), null, "the orphaned instance was ended");
  const deploys = await findChanges(world.store.db, { layer: "runtime", limit: 10 });
  assert.equal(deploys.length, 1, "it is the same deploy");
});

test("a keeper whose folder is gone ends, with its instance", async () => {
  await using world = await startServiceWorld();
  await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const { pid } = await world.runtime.services.show(world.service);
  const folder = join(world.folder, "home/services/content-api");
  const keeper = JSON.parse(await readFile(join(folder, "keeper.json"), "utf8")) as { pid: number };
  await rm(folder, { recursive: true, force: true });
  for (const each of [pid ?? 0, keeper.pid]) {
    await until(`${each} ended`, async () => (identify(each) === null ? true : null));
  }
});

async function startChild({ folder, port, store }: ServiceWorld): Promise<ChildProcess> {
  return spawn(
    process.execPath,
    [
      "--conditions=development",
      join(import.meta.dirname, "runtime-child.ts"),
      ...[folder, String(port), store.url],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
}

/** Resolves when the child wrote this word; rejects when it ended first. */
async function says(child: ChildProcess, word: string): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(word)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the child ended with ${code}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
