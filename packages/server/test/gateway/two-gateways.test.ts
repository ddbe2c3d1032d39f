/** Work of several requests whose gateway does not know it: after a restart, or beside another gateway. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Client, InFlightPolicy } from "@lastgood/sdk";
import OpenAI from "openai";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { freePort } from "../../src/free-port.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { startRemoteGateway } from "../../src/gateway/remote-gateway.ts";
import { production } from "../releases/world.ts";
import { type RestartableServer, startRestartable } from "../support/restartable.ts";
import { until } from "../support/until.ts";
import { type FakeModel, startFakeModel } from "./fake-model.ts";
import { ask, publishModel } from "./world.ts";

let model: FakeModel;
let server: RestartableServer;
let client: Client;
let own: string;
let second: Gateway;
let home: string;

before(async () => {
  model = await startFakeModel(({ body }) => ({ text: `from ${body.model}` }));
  const port = await freePort();
  own = `http://127.0.0.1:${port}`;
  const gateway = { port, endpoints: { local: { url: `${model.url}/v1`, api: "openai" } } };
  const settings = { agents: { triager: {}, router: {} }, gateway };
  server = await startRestartable(settings);
  client = server.client;
  const { secret } = await client.createToken({ role: "operator", name: "second" });
  home = await mkdtemp(join(tmpdir(), "lastgood-second-gateway-"));
  second = await startRemoteGateway({
    ...{ connection: { url: server.url, token: secret }, home, host: "127.0.0.1", port: 0 },
    ...{ environment: production, log: pino({ level: "silent" }) },
    settings: () => configSchema.parse(settings).gateway,
  });
});
after(async () => {
  await second.stop();
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

async function asker(url: string, agent = "triager") {
  const apiKey = await server.tokenFor(agent);
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  return async (artifact: string, key?: string) => {
    const { response } = await openai.chat.completions
      .create(
        { model: artifact, messages: ask("hello") },
        { headers: key === undefined ? {} : { "x-lastgood-execution": key } },
      )
      .withResponse();
    const header = (name: string) => response.headers.get(`x-lastgood-${name}`) ?? "";
    const stale = header("stale");
    return { release: header("release"), execution: header("execution"), stale };
  };
}

/** An artifact of its own, of which release 1 is pinned, as both gateways know. */
async function pinned(artifact: string, inFlight: InFlightPolicy): Promise<string> {
  for (const version of ["1", "2"]) {
    await publishModel(client, artifact, version, { model: `m${version}` });
  }
  await deploy(artifact, "1", inFlight);
  return artifact;
}

async function deploy(artifact: string, version: string, inFlight?: InFlightPolicy): Promise<void> {
  const { epoch } = await client.deployRelease(production, artifact, { version, inFlight });
  await until("the second gateway to know it", () => second.health().epoch >= epoch);
}

/** What the work of the key came to, attempt by attempt. */
async function lineOf(artifact: string, key: string) {
  const { executions } = await client.executions({ artifact, key });
  return executions.map(({ id, state, version }) => ({ id, state, version })).reverse();
}

const moments: readonly (readonly [string, () => Promise<string>])[] = [
  [
    "after a restart of its gateway",
    async () => {
      await server.stop();
      await server.start();
      return own;
    },
  ],
  ["through a second gateway", async () => second.url],
];

for (const [when, elsewhere] of moments) {
  test(`work goes on under the policy of its artifact ${when}`, async () => {
    const name = (policy: string) => `${policy}-${when.replaceAll(" ", "-")}`;
    const stays = await pinned(name("stays"), "finish-old");
    const goes = await pinned(name("goes"), "switch");
    const stops = await pinned(name("stops"), "cancel-retry");
    const askFirst = await asker(own);
    const begun: string[] = [];
    for (const artifact of [stays, goes, stops]) {
      const { release, execution } = await askFirst(artifact, "job-1");
      assert.equal(release, `${artifact}:1`);
      begun.push(execution);
      await deploy(artifact, "2");
    }
    const [old, switched, cancelled] = begun;
    const askThen = await asker(await elsewhere());

    const same = await askThen(stays, "job-1");
    assert.deepEqual([same.release, same.execution], [`${stays}:1`, old]);
    assert.deepEqual(await lineOf(stays, "job-1"), [{ id: old, state: "running", version: "1" }]);

    const next = await askThen(goes, "job-1");
    assert.equal(next.release, `${goes}:2`);
    assert.deepEqual(await lineOf(goes, "job-1"), [
      { id: switched, state: "switched", version: "1" },
      { id: next.execution, state: "running", version: "2" },
    ]);

    await assert.rejects(askThen(stops, "job-1"), /409 The work job-1 of .* was cancelled/);
    const again = await askThen(stops, "job-1");
    assert.equal(again.release, `${stops}:2`);
    assert.deepEqual(await lineOf(stops, "job-1"), [
      { id: cancelled, state: "retried", version: "1" },
      { id: again.execution, state: "running", version: "2" },
    ]);
    // Whichever gateway is asked next, it is the same work.
    for (const [artifact, now] of [
      [goes, next],
      [stops, again],
    ] as const) {
      assert.deepEqual(await (await asker(own))(artifact, "job-1"), now);
    }
  });
}

test("requests of one work that come at once are one execution", async () => {
  const artifact = await pinned("at-once", "finish-old");
  const askers = [await asker(own), await asker(second.url)];
  const all = await Promise.all(
    Array.from({ length: 10 }, (_, n) => askers[n % 2]?.(artifact, "job-1")),
  );
  const [line, ...more] = await lineOf(artifact, "job-1");
  assert.deepEqual(more, []);
  assert.deepEqual([...new Set(all.map((one) => one?.execution))], [line?.id]);
});

test("another agent does not do the same work beside the first", async () => {
  const artifact = await pinned("shared", "finish-old");
  await (await asker(own))(artifact, "job-1");
  for (const url of [own, second.url]) {
    await assert.rejects(
      (await asker(url, "router"))(artifact, "job-1"),
      /409 shared job-1 is being done already, as exe_\w+ by triager since .*: leave it to that one/,
    );
  }
});

test("with PostgreSQL away the server's own gateway answers from its last pins, and says that they may be old", async () => {
  const artifact = await pinned("alone", "switch");
  const askOwn = await asker(own);
  const isStale = async () =>
    ((await (await fetch(`${own}/health`)).json()) as { readonly stale: boolean }).stale;
  assert.deepEqual(
    [await isStale(), (await askOwn(artifact)).stale, (await askOwn(artifact)).release],
    [false, "", "alone:1"],
  );
  await server.store.goAway();
  try {
    await until("it to notice", isStale);
    const { release, stale } = await askOwn(artifact);
    assert.deepEqual([release, stale], ["alone:1", "true"]);
  } finally {
    await server.store.come();
  }
  await until("it to know again", async () => !(await isStale()));
  assert.equal((await askOwn(artifact)).stale, "");
});
