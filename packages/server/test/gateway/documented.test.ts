/** What docs/executions.md, docs/gateway.md and docs/doors.md say can be pasted, line by line. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { paste } from "../support/pasted.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { type FakeModel, startFakeModel } from "./fake-model.ts";

const stage = new AsyncDisposableStack();
let model: FakeModel;
let server: TestServer;
before(async () => {
  model = stage.use(await startFakeModel(() => ({ text: "billing" })));
  const endpoints = {
    local: { url: `${model.url}/v1`, api: "openai" },
    "local-messages": { url: model.url, api: "anthropic" },
  };
  server = stage.use(await startServer({ gateway: { port: 0, endpoints } }));
});
after(() => stage.disposeAsync());

test("docs/executions.md can be pasted, and comes to what it says", async () => {
  const work = await paste("docs/executions.md", server);
  assert.match(work, /1 that failed under refunds:2\.1\.0 are queued again/);
  assert.match(work, /of refunds:2\.0\.3 scores 1\./);
  assert.match(
    work,
    /"taken":0,"corrected":0,"known":1,"refused":\[\{[^\n]*"path":"outcomes\[1\]\.score"/,
  );
  assert.match(work, /0 taken, 1 corrected, 0 known already\./);
  const { executions } = await server.client.executions({ artifact: "refunds" });
  assert.deepEqual(
    executions.map(({ version, state, score }) => [version, state, score]),
    [
      ["2.0.3", "finished", 1],
      ["2.1.0", "retried", 0],
    ],
  );
});

test("docs/gateway.md can be pasted, and comes to what it says", async () => {
  const asked = await paste("docs/gateway.md", server, {
    env: { LASTGOOD_GATEWAY: server.lastgood.gatewayUrl ?? "" },
  });
  assert.match(asked, /x-lastgood-release: router:13/i);
  assert.match(asked, /of router:13 scores 1\./);
  assert.match(asked, /"stale":false/);
  assert.equal(model.requests[0]?.body.temperature, 0);
});

test("docs/doors.md can be pasted, and comes to what it says", async () => {
  const doors = await paste("docs/doors.md", server, {
    folder: resolve(import.meta.dirname, "../../../.."),
    env: { LASTGOOD_GATEWAY: server.lastgood.gatewayUrl ?? "" },
  });
  assert.match(doors, /the SDK: door-greeting:1/);
  assert.match(doors, /"pins":\[\{[^\n]*"door-greeting"/);
  assert.match(doors, /"key":"door-greeting","value":"1"/);
  assert.match(doors, /x-lastgood-release: door-model:1/i);
  assert.match(doors, /x-lastgood-release: door-messages:1/i);
});
