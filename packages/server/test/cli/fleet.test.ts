import assert from "node:assert/strict";
import { test } from "node:test";
import { lastgood, type Said } from "../support/lastgood.ts";
import { startServer, type TestServer } from "../support/server.ts";

const config = { agents: { marketing: { roles: ["writer"] }, backend: {} } };

async function typist(server: TestServer): Promise<(...args: string[]) => Promise<Said>> {
  const env = {
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("operator"),
  };
  return (...args) => lastgood(args, { env });
}

async function crash(server: TestServer, times: number): Promise<readonly string[]> {
  const marketing = await server.clientAs("agent", "marketing");
  const ids: string[] = [];
  for (let n = 0; n < times; n++) {
    const { record } = await marketing.openSession({});
    ids.push(record.session_id);
    await marketing.heartbeat(record.session_id, { tokens: 100, onRecovery: n === 0 ? 0 : 10 });
    await marketing.endSession(record.session_id, { reason: "crashed", detail: "exit code 1" });
  }
  return ids;
}

test("agents are listed with what they do; a parked one is released with a reason, once", async () => {
  await using server = await startServer(config);
  const type = await typist(server);
  const before = await type("agents");
  assert.match(before.out, /^backend +never-seen/m);
  await crash(server, 3);
  const parked = await type("agents");
  assert.match(parked.out, /^marketing +parked +writer .*crashed .* 3 +parked: it died 3 times/m);
  const released = await type("agents", "release", "marketing", "its token had expired");
  assert.equal(released.code, 0, released.err);
  assert.match(released.out, /marketing may start again/);
  const again = await type("agents", "release", "marketing", "once more");
  assert.equal(again.code, 5);
  assert.match(again.err, /not parked.*state_forbids/);
  const unknown = await type("agents", "release", "nobody", "why");
  assert.equal(unknown.code, 3);
  const json = JSON.parse((await type("agents", "--json")).out) as { agents: { name: string }[] };
  assert.deepEqual(
    json.agents.map(({ name }) => name),
    ["backend", "marketing"],
  );
});

test("sessions are listed by agent, time and state, and shown one by one", async () => {
  await using server = await startServer(config);
  const type = await typist(server);
  assert.match((await type("sessions")).out, /No session fits/);
  const [first = ""] = await crash(server, 1);
  const backend = await server.clientAs("agent", "backend");
  const { record } = await backend.openSession({ door: "sdk" });
  const live = await type("sessions", "--state", "live");
  assert.match(live.out, new RegExp(`^${record.session_id} +sdk +live`, "m"));
  assert.doesNotMatch(live.out, /marketing/);
  const ofOne = await type("sessions", "--agent", "marketing", "--since", "1h");
  assert.match(ofOne.out, new RegExp(`^${first} +http +crashed .*exit code 1`, "m"));
  const shown = await type("sessions", "show", first);
  assert.match(shown.out, /is crashed/);
  assert.match(shown.out, /^because +exit code 1$/m);
  assert.match(shown.out, /^tokens +100, of those on recovery 0$/m);
  assert.equal((await type("sessions", "show", "sess_no")).code, 3);
  const wrong = await type("sessions", "--since", "soon");
  assert.equal(wrong.code, 2);
});

test("stats tell of restarts as distributions, or that there were none", async () => {
  await using server = await startServer(config);
  const type = await typist(server);
  const none = await type("stats");
  assert.match(none.out, /^0 sessions since .*, 0 after a death$/m);
  assert.match(none.out, /^death noticed +0 +- +- +- +-$/m);
  await crash(server, 2);
  const some = await type("stats", "--since", "1h", "--agent", "marketing");
  assert.match(some.out, /^2 sessions since .*, 1 after a death$/m);
  assert.match(some.out, /^ended: 2 crashed$/m);
  assert.match(some.out, /^death noticed +2 +\d+ ms/m);
  assert.match(some.out, /^tokens on recovery +1 +10 +10 +10 +10$/m);
  assert.match(some.out, /5\.00 % went into recovery/);
  const json = JSON.parse((await type("stats", "--json")).out) as { restarts: number };
  assert.equal(json.restarts, 1);
});
