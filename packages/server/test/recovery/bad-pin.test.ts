/** A bad pin, found by the ordinary triage and put back by an ordinary recovery. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type Client, consume, type Incident } from "@lastgood/sdk";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const artifact = "customer-service";
const service = "support";

interface Support extends AsyncDisposable {
  readonly server: TestServer;
}

/** A service that answers by the spec that is pinned, and fails while that refuses every refund. */
async function startSupport(config: object): Promise<Support> {
  let spec: () => Promise<{ refundLimit: number }> = async () => ({ refundLimit: 500 });
  const page = createServer((_, response) => {
    spec().then(
      ({ refundLimit }) => response.writeHead(refundLimit < 200 ? 500 : 200).end(),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const server = await startServer({
    agents: { trainer: { deploys: ["production/*"] } },
    services: {
      [service]: { url, uses: [artifact], probes: { health: { path: "/", every: "50ms" } } },
    },
    ...config,
  });
  const { client } = server;
  await client.declareArtifact(artifact, { kind: "spec", inFlight: "switch" });
  const trainer = await server.clientAs("agent", "trainer");
  for (const [version, refundLimit] of [
    ["2.0.3", 500],
    ["2.1.0", 100],
  ] as const) {
    await trainer.publishRelease(artifact, { version, content: { refundLimit } });
  }
  await trainer.deployRelease("production", artifact, { version: "2.0.3" });
  let held = { epoch: 0, content: { refundLimit: 500 } };
  spec = async () => {
    const { epoch, pins } = await client.pollPins("production", service, { epoch: held.epoch });
    if (epoch !== held.epoch) {
      const content = pins[0]?.releases[0]?.content as { refundLimit: number };
      held = { epoch, content };
      await client.pollPins("production", service, { epoch });
    }
    return held.content;
  };
  const stopping = new AbortController();
  const { signal } = stopping;
  const reading = consume(client, { agent: "trainer", handler() {}, signal });
  return {
    server,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await reading;
      await server[Symbol.asyncDispose]();
      page.closeAllConnections();
      await new Promise((resolve) => page.close(resolve));
    },
  };
}

async function settled(client: Client): Promise<void> {
  await until("samples of the service while it was well", async () => {
    const { rule } = await client.rule(`${service}.health`);
    return rule.samples >= 60 && rule.verdict === "hold";
  });
}

/** Three people notice as well: with what the probes say, the second witness. */
async function reported(client: Client): Promise<void> {
  await until("the service to fail", async () => {
    const { rule } = await client.rule(`${service}.health`);
    return rule.verdict === "regression";
  });
  for (const reporter of ["ann", "ben", "cleo"]) {
    await client.report({ service, text: "my refund was refused", reporter });
  }
}

async function incidentIn(client: Client, state: Incident["state"]): Promise<Incident> {
  return await until(
    `the incident to be ${state}`,
    async () => {
      const [open] = (await client.incidents()).incidents;
      const incident = open === undefined ? null : await client.incident(open.id);
      return incident?.state === state ? incident : null;
    },
    80_000,
  );
}

test("a bad pin is the suspect, goes back by itself, and is verified with those who follow it", async () => {
  await using world = await startSupport({ mode: "auto" });
  const { client, clientAs } = world.server;
  await settled(client);
  const trainer = await clientAs("agent", "trainer");
  const { change } = await trainer.deployRelease("production", artifact, {
    version: "2.1.0",
    because: "a lower limit",
  });
  await reported(client);
  const incident = await incidentIn(client, "verified");

  assert.deepEqual(incident.decision?.changes, [change]);
  assert.deepEqual([...(incident.decision?.witnesses ?? [])].sort(), ["contrast", "reports"]);
  const [suspect] = incident.suspects;
  assert.deepEqual(
    [suspect?.change, suspect?.layer, suspect?.target],
    [change, "versions", artifact],
  );
  assert.ok((suspect?.posterior ?? 0) >= 0.99, `${suspect?.posterior}`);

  const { shares, did, history } = await client.pin("production", artifact);
  assert.deepEqual([shares, did], [[{ version: "2.0.3", share: 100 }], "recovery"]);
  assert.equal(history.length, 3);
  const recovery = await client.recovery(incident.recovery ?? "");
  const flip = recovery.steps.find(({ layer }) => layer === "versions");
  assert.equal(flip?.state, "verified");
  assert.match(flip?.observed.join("\n") ?? "", /1 of 1 consumers say that they follow it/);
  const { barred } = await client.release(artifact, "2.1.0");
  assert.equal(barred?.incident, incident.id);
  assert.deepEqual(
    (await client.change(history[0]?.change ?? "")).reverts,
    [change],
    "the ledger says what was taken back",
  );
});

test("where what it would go back to does not start, nothing moves and a person is called", async () => {
  const start = ["sh", "-c", '! grep -q 500 "$RELEASE_FILE"'];
  const rollouts = { [artifact]: { ramp: [100], guardrails: [], probe: { start } } };
  await using world = await startSupport({ mode: "auto", rollouts });
  const { client, clientAs } = world.server;
  await settled(client);
  const trainer = await clientAs("agent", "trainer");
  await trainer.deployRelease("production", artifact, { version: "2.1.0" });
  await reported(client);
  const incident = await incidentIn(client, "frozen");
  const recovery = await client.recovery(incident.recovery ?? "");
  assert.equal(recovery.state, "failed");
  assert.match(
    recovery.because,
    /customer-service:2\.0\.3 is not passable \(starts: .*--unchecked/,
  );
  assert.deepEqual((await client.pin("production", artifact)).shares, [
    { version: "2.1.0", share: 100 },
  ]);
  assert.ok(
    incident.timeline.some(({ event }) => event === "page.opened"),
    "a person is called",
  );
});

test("what a person pinned is not put back without a person", async () => {
  await using world = await startSupport({ mode: "auto" });
  const { client } = world.server;
  await settled(client);
  await client.deployRelease("production", artifact, { version: "2.1.0", because: "I want it" });
  await reported(client);
  const incident = await incidentIn(client, "frozen");
  assert.match(incident.decision?.because.join("\n") ?? "", /a person decided it: token:admin/);
  assert.deepEqual((await client.pin("production", artifact)).shares, [
    { version: "2.1.0", share: 100 },
  ]);
  const id = incident.recovery ?? assert.fail("no plan waits");
  const { digest } = await client.recovery(id);
  await client.approveRecovery(id, digest);
  await until("the recovery", async () => (await client.recovery(id)).state === "verified", 60_000);
  assert.deepEqual((await client.pin("production", artifact)).shares, [
    { version: "2.0.3", share: 100 },
  ]);
});
