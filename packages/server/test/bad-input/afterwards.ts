/** What is unusual and yet works, and the guilty hand that tries again: with the world of the table. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { ask } from "./calls.ts";
import { moved } from "./digest.ts";
import type { SmallWorld } from "./world.ts";

/** A merge goes back to its mainline, a root commit to the empty tree; planning moves nothing. */
export async function planMergeAndRoot(world: SmallWorld): Promise<void> {
  const { client } = world.server;
  const before = await world.digest();
  const merge = await client.planRecovery({ changes: [idOf(world, "merge")] });
  assert.deepEqual(merge.plan.conflicts, []);
  assert.match(merge.steps[0]?.says ?? "", /merge it/);
  const root = await client.planRecovery({ changes: [idOf(world, "root")] });
  assert.match(root.plan.conflicts.join(), /a\.txt/, "what came later stands on the root commit");
  assert.deepEqual(moved(before, await world.digest()), [
    "recoveries",
    "recovery_steps",
    "reverts",
  ]);
}

/** It is not deployed, whoever asks; and the incident is told. */
export async function pushGuiltyAgain(world: SmallWorld): Promise<void> {
  const { shop, server } = world;
  const { client } = server;
  const { id, digest } = await client.planRecovery({ changes: [idOf(world, "guilty")] });
  await client.runRecovery(id, digest);
  await until("the recovery", async () => (await client.recovery(id)).state === "verified", 60_000);
  const served = () => readFile(join(world.folder, "served"), "utf8");
  assert.equal(await served(), shop.tip());

  shop.git("pull", "--quiet", "--ff-only", "origin", "main");
  const again = shop.commit({ "price.txt": "0\n" }, "free of charge, take two");
  shop.push();
  await client.repositoryPushed("shop", { wait: true });
  const { timeline } = await client.incident(idOf(world, "waiting"));
  const told = timeline.filter(({ event }) => event === "change.barred");
  assert.equal(told.length, 1);
  assert.match(told[0]?.text ?? "", new RegExp(`backend pushed ${again.slice(0, 7)} to shop`));

  const before = await world.digest();
  const deploy = await ask(world, {
    ask: "POST /v1/services/shop/deploy",
    as: "operator",
    body: { revision: again },
  });
  assert.deepEqual([deploy.code, deploy.exit], ["was_rolled_back", 5], deploy.text);
  assert.match(deploy.text, /Deploy another revision, or override with a reason/);
  assert.deepEqual(moved(before, await world.digest()), []);
  assert.notEqual(await served(), again);
}

function idOf({ names }: SmallWorld, name: string): string {
  return names.get(name) ?? assert.fail(`the world has no ${name}`);
}
