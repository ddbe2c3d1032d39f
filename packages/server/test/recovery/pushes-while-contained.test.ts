import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { JournalPoint } from "../../src/recovery/runner.ts";
import { run } from "../code/world.ts";
import { until } from "../support/until.ts";
import { type BrokenWorld, patienceMs, startBrokenWorld, startHandling } from "./broken-world.ts";

/** Follows what the service runs, looking again and again, until it is stopped. */
function watchServed(world: BrokenWorld) {
  const served = new Set<string>();
  let stopped = false;
  const look = async () => {
    const revision = await world.asked("/revision");
    if (revision !== undefined) served.add(revision);
  };
  const watching = (async () => {
    while (!stopped) {
      await look();
      // What is looked at has to run as well.
      await pause(10);
    }
  })();
  return async () => {
    stopped = true;
    await watching;
    // What it sees last is asked for after it was stopped.
    await look();
    return served;
  };
}

for (const when of ["before the revert is pushed", "before the revert is verified"] as const) {
  test(`what a contained agent pushes ${when} goes live when the recovery is verified, not with it`, {
    timeout: 400_000,
  }, async () => {
    await using world = await startBrokenWorld();
    const { origin } = world;
    let pushAt: JournalPoint | null = null;
    let pushed = "";
    const client = await world.start({
      async reached(_, point) {
        if (point !== pushAt) return;
        pushAt = null;
        origin.git("pull", "--quiet", "--ff-only", "origin", "main");
        pushed = origin.commit({ "more.txt": "more\n" }, "more of it");
        origin.push();
      },
    });
    const planned = await world.breakAndPlan(client);
    const code = planned.steps.findIndex(({ layer }) => layer === "code");
    pushAt = when === "before the revert is pushed" ? `${code}:running` : `${code}:applied`;
    const stopHandling = startHandling(client);
    const stopWatching = watchServed(world);
    await client.runRecovery(planned.id, planned.digest);
    await until(
      "the recovery to end",
      async () => {
        const { recoveries } = await client.recoveries({});
        return recoveries.some(({ state }) => state === "verified" || state === "failed");
      },
      patienceMs,
    );
    const { recoveries } = await client.recoveries({});
    const last = recoveries.find(({ state }) => state === "verified");
    assert.ok(last, JSON.stringify(recoveries.map(({ state, because }) => [state, because])));
    await until(
      "the tip to be served",
      async () => (await world.asked("/revision")) === origin.tip(),
    );
    await stopHandling();
    const served = await stopWatching();
    const withIt = [...served].filter((each) =>
      run(origin.url, "rev-list", each).split("\n").includes(pushed),
    );
    assert.deepEqual(withIt, [origin.tip()], "it went live once, with the tip");
    const exposed = await until("its exposure to be recorded", async () => {
      const { changes } = await client.changes({ layer: "code" });
      return changes.find(({ to }) => to === pushed)?.exposures[0]?.exposedAt;
    });
    assert.ok(exposed >= (last.endedAt ?? ""), `live at ${exposed}, verified at ${last.endedAt}`);
    assert.equal(await world.asked("/"), "good");
    assert.equal(origin.file("more.txt"), "more", "its work is not lost");
  });
}
