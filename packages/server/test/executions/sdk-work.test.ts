/** Work done through the SDK, while pins move and while the server is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type InFlightPolicy, WorkCancelled } from "@lastgood/sdk";
import { production } from "../releases/world.ts";
import { startRestartable } from "../support/restartable.ts";
import { until } from "../support/until.ts";

test("work goes on, stops, begins again and is told late, and is finished once for its key", async () => {
  await using server = await startRestartable({ agents: { refunder: {} } });
  const { client, url } = server;
  const agent = createClient({ url, token: await server.tokenFor("refunder") });
  const publish = async (artifact: string, inFlight: InFlightPolicy) => {
    for (const version of ["1", "2"]) {
      await client.publishRelease(artifact, { version, kind: "spec", content: { version } });
    }
    await client.deployRelease(production, artifact, { version: "1", inFlight });
  };
  await publish("goes", "switch");
  await publish("stops", "cancel-retry");
  await using releases = await agent.releases({ artifacts: ["goes", "stops"] });
  const move = (artifact: string) =>
    client.deployRelease(production, artifact, { version: "2" }).then(() => {});

  const seen: (readonly unknown[])[] = [];
  for (const artifact of ["goes", "stops"]) {
    const output = await releases.run(artifact, { key: "one", input: 7 }, async (work) => {
      seen.push([artifact, work.release.version]);
      if (work.release.version === "1") await move(artifact);
      const { content } = await work.step();
      seen.push([artifact, "then", content]);
      return { by: work.release.version };
    });
    assert.deepEqual(output, { by: "2" });
  }
  assert.deepEqual(seen, [
    ["goes", "1"],
    ["goes", "then", { version: "2" }],
    ["stops", "1"],
    ["stops", "2"],
    ["stops", "then", { version: "2" }],
  ]);
  const again = await releases.run("goes", { key: "one" }, () => assert.fail("it was done again"));
  assert.deepEqual(again, { by: "2" });
  await assert.rejects(
    releases.run("goes", { key: "two" }, () => {
      throw new Error("over the limit");
    }),
    /over the limit/,
  );
  const { executions: failed } = await client.executions({ artifact: "goes", state: "failed" });
  assert.match(failed[0]?.error ?? "", /over the limit/);
  const account = await client.inFlightAccount(production, "stops");
  assert.deepEqual([account.inFlight, account.retried], [1, 1]);

  await server.stop();
  const alone = await releases.run("goes", { key: "alone" }, async ({ release, step }) => {
    assert.equal((await step()).version, "2", "nobody can be asked, and the work goes on");
    return release.version;
  });
  assert.equal(alone, "2");
  await server.start();
  await until("the server to be heard of", () => !releases.stale);
  assert.equal(await releases.run("goes", { key: "after" }, () => "ok"), "ok");
  const { executions } = await client.executions({ artifact: "goes", key: "alone" });
  assert.deepEqual(
    executions.map(({ state, version, agent: who, door }) => [state, version, who, door]),
    [["finished", "2", "refunder", "sdk"]],
  );
  assert.equal(new WorkCancelled("x").name, "WorkCancelled");
});
