/** OFREP, asked by the clients that OpenFeature itself publishes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { type Client, OpenFeature } from "@openfeature/server-sdk";
import { ClientProviderEvents, OpenFeature as WebOpenFeature } from "@openfeature/web-sdk";
import { EventSource } from "eventsource";
import type { TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { artifact, contentOf, deploy, startReleases } from "./world.ts";

/** An OpenFeature client of the server, with a token of its own. */
async function openFeatureOf(
  server: TestServer,
  headers: readonly [string, string][] = [],
): Promise<Client> {
  const authorization = `Bearer ${await server.tokenAs("viewer")}`;
  const domain = crypto.randomUUID();
  const provider = new OFREPProvider({
    baseUrl: server.lastgood.url,
    headers: [["authorization", authorization], ...headers],
  });
  await OpenFeature.setProviderAndWait(domain, provider);
  return OpenFeature.getClient(domain);
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

async function ask(
  server: TestServer,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${server.lastgood.url}/ofrep/v1/evaluate/${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await server.tokenAs("viewer")}`,
      "content-type": "application/json",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const { status, headers: answered } = response;
  return { status, headers: answered, body: text === "" ? null : JSON.parse(text) };
}

/** The address that a bulk evaluation names. */
async function streamOf(server: TestServer): Promise<string> {
  const { body } = await ask(server, "flags", {});
  const [{ endpoint } = assert.fail()] = (
    body as { eventStreams: readonly { endpoint: { requestUri: string } }[] }
  ).eventStreams;
  return `${server.lastgood.url}${endpoint.requestUri}`;
}

interface Listening extends Disposable {
  /** The ids of what it was told. */
  readonly heard: string[];
  /** Each time that it asked: the id that it said it knew. */
  readonly known: (string | null)[];
  /** As when its network is gone, until `comeAgain`. */
  leave(): void;
  comeAgain(): void;
}

/** The public EventSource. It comes again as soon as it may. */
function listenTo(address: string): Listening {
  const heard: string[] = [];
  const known: (string | null)[] = [];
  let connection = new AbortController();
  let network = Promise.withResolvers<void>();
  network.resolve();
  const source = new EventSource(address, {
    async fetch(url, init) {
      await network.promise;
      known.push(new Headers(init.headers).get("last-event-id"));
      connection = new AbortController();
      const signal = AbortSignal.any([init.signal, connection.signal]);
      const { status, headers, redirected, body } = await fetch(url, { ...init, signal });
      const soon = new TransformStream<Uint8Array, Uint8Array>({
        start: (out) => out.enqueue(new TextEncoder().encode("retry: 1\n\n")),
      });
      return {
        url: String(url),
        status,
        headers,
        redirected,
        body: body?.pipeThrough(soon) ?? null,
      };
    },
  });
  source.addEventListener("message", ({ lastEventId, data }) => {
    assert.match(String(data), /"type":"refetchEvaluation"/);
    heard.push(lastEventId);
  });
  return {
    ...{ heard, known },
    leave() {
      network = Promise.withResolvers();
      connection.abort(new Error("the network is gone"));
    },
    comeAgain: () => network.resolve(),
    [Symbol.dispose]: () => source.close(),
  };
}

test("the public server-side provider gets the version that the SDK resolves, key by key", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const flags = await openFeatureOf(server);
  const one = await flags.getStringDetails(artifact, "none", { targetingKey: "user-1" });
  assert.deepEqual([one.value, one.reason, one.variant], ["1.0.0", "STATIC", "1.0.0"]);
  assert.equal(one.flagMetadata.epoch, 1);
  assert.equal(one.flagMetadata.digest, (await client.release(artifact, "1.0.0")).digest);

  await deploy(client, "2.0.0", 50);
  const { url } = server.lastgood;
  const follower = createClient({ url, token: await server.tokenAs("agent", "answerer") });
  await using releases = await follower.releases();
  const versions = new Set<string>();
  for (let n = 0; n < 40; n++) {
    const targetingKey = `user-${n}`;
    const details = await flags.getStringDetails(artifact, "none", { targetingKey });
    assert.equal(details.value, releases.resolve(artifact, targetingKey).version, targetingKey);
    assert.equal(details.reason, "SPLIT");
    versions.add(details.value);
  }
  assert.deepEqual([...versions].sort(), ["1.0.0", "2.0.0"]);
});

test("a content is a flag as well, and comes with its release", async () => {
  await using server = await startReleases(["1.0.0"]);
  await deploy(server.client, "1.0.0");
  const flags = await openFeatureOf(server);
  const details = await flags.getObjectDetails(`${artifact}:content`, {});
  assert.deepEqual(details.value, contentOf("1.0.0"));
  assert.equal(details.variant, "1.0.0");
});

test("what cannot be evaluated is the code's default, with the protocol's reason", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  await deploy(server.client, "1.0.0");
  await deploy(server.client, "2.0.0", 50);
  const flags = await openFeatureOf(server);
  const reason = async (key: string, context: object) => {
    const { value, errorCode } = await flags.getStringDetails(key, "default", { ...context });
    return [value, errorCode];
  };
  assert.deepEqual(await reason("router", { targetingKey: "x" }), ["default", "FLAG_NOT_FOUND"]);
  assert.deepEqual(await reason(artifact, {}), ["default", "TARGETING_KEY_MISSING"]);
  const typed = await flags.getNumberDetails(artifact, 7, { targetingKey: "x" });
  assert.deepEqual([typed.value, typed.errorCode], [7, "TYPE_MISMATCH"]);
});

test("the environment is the one that is asked for, by header or query", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  await client.deployRelease("staging", artifact, { version: "2.0.0" });
  const staging = await openFeatureOf(server, [["lastgood-environment", "staging"]]);
  assert.equal(await staging.getStringValue(artifact, "none"), "2.0.0");
  const context = { context: {} };
  const { body } = await ask(server, `flags/${artifact}?environment=staging`, context);
  assert.equal((body as { readonly value: string }).value, "2.0.0");
});

test("each answer has the status that the protocol names", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"], { releases: { ofrepPerSecond: 1 } });
  const { client } = server;
  await deploy(client, "1.0.0");
  await deploy(client, "2.0.0", 50);
  const context = { context: { targetingKey: "x" } };
  assert.equal((await ask(server, `flags/${artifact}`, context)).status, 200);
  const missing = await ask(server, "flags/router", context);
  assert.equal(missing.status, 404);
  assert.deepEqual(Object.keys(missing.body as object).sort(), [
    "errorCode",
    "errorDetails",
    "key",
  ]);
  const keyless = await ask(server, `flags/${artifact}`, {});
  assert.deepEqual(
    [keyless.status, (keyless.body as { errorCode: string }).errorCode],
    [400, "TARGETING_KEY_MISSING"],
  );
  const odd = await ask(server, `flags/${artifact}`, { context: { targetingKey: 7 } });
  assert.deepEqual(
    [odd.status, (odd.body as { errorCode: string }).errorCode],
    [400, "INVALID_CONTEXT"],
  );
  for (const body of ["{", '{"context":[]}', "7"]) {
    const { status, body: said } = await ask(server, `flags/${artifact}`, body);
    assert.deepEqual(
      [status, (said as { errorCode: string }).errorCode],
      [400, "PARSE_ERROR"],
      body,
    );
  }
  const denied = { authorization: "Bearer lg_viewer_wrong" };
  assert.equal((await ask(server, `flags/${artifact}`, context, denied)).status, 401);

  const token = { authorization: `Bearer ${await server.tokenAs("viewer")}` };
  const many = await Promise.all(
    Array.from({ length: 30 }, () => ask(server, `flags/${artifact}`, context, token)),
  );
  const refused = many.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 1, `${refused.length}`);
  assert.equal(refused[0]?.headers.get("retry-after"), "1");
});

test("a bulk evaluation that did not change is 304, and its ETag is that of the flags alone", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const context = { context: { targetingKey: "user-1" } };
  const first = await ask(server, "flags", context);
  const etag = first.headers.get("etag") ?? "";
  assert.equal(first.status, 200);
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  const { flags } = first.body as { flags: readonly { key: string; value: string }[] };
  assert.deepEqual(
    flags.map(({ key, value }) => [key, value]),
    [[artifact, "1.0.0"]],
  );
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await ask(server, "flags", context, { "if-none-match": known });
    assert.deepEqual([again.status, again.body], [304, null], known);
    assert.equal(again.headers.get("etag"), etag);
  }
  await client.deployRelease("staging", artifact, { version: "2.0.0" });
  assert.equal((await ask(server, "flags", context, { "if-none-match": etag })).status, 304);
  await deploy(client, "2.0.0");
  const changed = await ask(server, "flags", context, { "if-none-match": etag });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get("etag"), etag);
});

test("the public web provider hears of one change by its stream, also of one before it was open", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const authorization = `Bearer ${await server.tokenAs("viewer")}`;
  const gap = Promise.withResolvers<void>();
  /** Opens once the pin has moved, as through a network that is slow. */
  class LateEventSource extends EventSource {
    constructor(address: string | URL) {
      super(address, { fetch: (...given) => gap.promise.then(() => fetch(...given)) });
    }
  }
  Object.defineProperty(globalThis, "EventSource", { value: LateEventSource, configurable: true });
  const provider = new OFREPWebProvider({
    baseUrl: server.lastgood.url,
    headers: [["authorization", authorization]],
    pollInterval: 0,
  });
  const domain = crypto.randomUUID();
  try {
    // Its own types say that it may be without hooks, those of the SDK that it may not.
    const hooked = Object.assign(provider, { hooks: [] });
    await WebOpenFeature.setProviderAndWait(domain, hooked, { targetingKey: "user-1" });
    const flags = WebOpenFeature.getClient(domain);
    assert.equal(flags.getStringValue(artifact, "none"), "1.0.0");
    let changes = 0;
    flags.addHandler(ClientProviderEvents.ConfigurationChanged, () => {
      changes += 1;
    });
    const isNow = (version: string) => flags.getStringValue(artifact, "none") === version;
    await deploy(client, "2.0.0");
    gap.resolve();
    await until("the change before the stream was open", () => isNow("2.0.0") && changes === 1);
    await deploy(client, "1.0.0");
    await until("the change that came through it", () => isNow("1.0.0") && changes === 2);
  } finally {
    await WebOpenFeature.close();
    Reflect.deleteProperty(globalThis, "EventSource");
  }
});

test("a stream tells once where it begins, and what was missed when it comes again", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  using stream = listenTo(await streamOf(server));
  const { heard, known } = stream;
  await until("the beginning", () => heard.length >= 1);
  stream.leave();
  stream.comeAgain();
  await until("it to come again", () => known.length === 2);
  await deploy(client, "2.0.0");
  await until("the change", () => heard.length >= 2);
  stream.leave();
  await deploy(client, "1.0.0");
  stream.comeAgain();
  await until("what was missed", () => heard.length >= 3);
  assert.deepEqual(heard, ["1", "2", "3"], "each once, and nothing where nothing was missed");
  assert.deepEqual(known, [null, "1", "2"]);
});

test("a stream opens for nobody without a ticket", async () => {
  await using server = await startReleases(["1.0.0"]);
  await deploy(server.client, "1.0.0");
  const ticket = (await streamOf(server)).split("/").at(-1) ?? "";
  for (const forged of [`${ticket}x`, ticket.replace("production", "staging"), "x", "a.b.c"]) {
    const response = await fetch(`${server.lastgood.url}/ofrep/v1/streams/${forged}`);
    assert.equal(response.status, 401, forged);
    await response.body?.cancel();
  }
});
