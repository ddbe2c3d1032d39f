import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { startServer, type TestServer } from "../support/server.ts";

const clientWith = (server: TestServer, token: string) =>
  createClient({ url: server.lastgood.url, token });

test("a token works until it is revoked, and its secret is seen once", async () => {
  await using server = await startServer();
  const created = await server.client.createToken({ role: "viewer", name: "alice" });
  const { secret, ...kept } = created;
  const alice = clientWith(server, secret);
  assert.deepEqual((await alice.changes()).changes, []);

  const { tokens } = await server.client.tokens();
  assert.deepEqual(
    tokens.find((each) => each.id === created.id),
    kept,
  );
  assert.ok(!JSON.stringify(tokens).includes(secret.slice(-20)));
  const [row] = await server.lastgood.db`
    select encode(secret_sha256, 'escape') as digest from tokens where id = ${created.id}`;
  assert.ok(!String(row?.digest).includes(secret.slice(-20)));

  assert.notEqual((await server.client.revokeToken(created.id)).revokedAt, null);
  await assert.rejects(alice.changes(), { code: "unauthenticated" });
});

test("a token ends at its time", async () => {
  await using server = await startServer();
  const { secret, id } = await server.client.createToken({
    role: "viewer",
    name: "contractor",
    expiresIn: "90d",
  });
  await server.lastgood.db`
    update tokens set expires_at = now() - interval '1 second' where id = ${id}`;
  await assert.rejects(clientWith(server, secret).changes(), {
    code: "token_expired",
    message: /contractor/,
  });
});

test("an agent's token needs its agent, and no other role has one", async () => {
  await using server = await startServer();
  await assert.rejects(server.client.createToken({ role: "agent", name: "backend" }), {
    code: "bad_input",
    message: /--agent/,
  });
  await assert.rejects(
    server.client.createToken({ role: "viewer", name: "alice", agent: "backend" }),
    { code: "bad_input" },
  );
  await assert.rejects(server.client.createToken({ role: "viewer", name: "two words" }), {
    code: "bad_input",
  });
});

test("the last admin token stays, whoever asks", async () => {
  await using server = await startServer();
  const admins = (await server.client.tokens()).tokens.filter((each) => each.role === "admin");
  assert.ok(admins.length >= 2, "the home's own, and the test's");
  const outcomes = await Promise.allSettled(
    admins.map((each) => server.client.revokeToken(each.id)),
  );
  assert.ok(outcomes.some((each) => each.status === "rejected"));
  const [left] = await server.lastgood.db`
    select count(*) as admins from tokens where role = 'admin' and revoked_at is null`;
  assert.equal(left?.admins, 1);
});

test("every act on tokens and every denial is in the audit, which operators read", async () => {
  await using server = await startServer();
  const created = await server.client.createToken({ role: "viewer", name: "alice" });
  const alice = clientWith(server, created.secret);
  await assert.rejects(alice.tokens(), { code: "forbidden" });
  await assert.rejects(alice.audits(), { code: "forbidden" });
  await assert.rejects(clientWith(server, "nonsense").changes(), { code: "unauthenticated" });
  await server.client.revokeToken(created.id);

  const operator = await server.clientAs("operator");
  const { audits } = await operator.audits({ since: "1h" });
  const told = audits.map(({ actor, action, outcome, because }) => [
    ...[actor, action, outcome],
    ...(outcome === "denied" ? [because] : []),
  ]);
  for (const expected of [
    ["token:admin", "token.created", "done"],
    ["token:admin", "token.revoked", "done"],
    ["token:alice", "GET /v1/tokens", "denied", "forbidden"],
    ["token:alice", "GET /v1/audits", "denied", "forbidden"],
    ["unknown", "GET /v1/changes", "denied", "unauthenticated"],
  ]) {
    assert.ok(
      told.some((each) => JSON.stringify(each) === JSON.stringify(expected)),
      `${expected.join(" ")} is missing`,
    );
  }
  const denied = await operator.audits({ outcome: "denied", actor: "token:alice", limit: 1 });
  assert.equal(denied.audits.length, 1);
  assert.equal(denied.more, true);
});

test("a flood of bad tokens is counted rather than written", async () => {
  await using server = await startServer();
  const floods = Array.from({ length: 350 }, () =>
    fetch(`${server.lastgood.url}/v1/changes`, { headers: { authorization: "Bearer bad" } }),
  );
  for (const response of await Promise.all(floods)) assert.equal(response.status, 401);
  const [row] = await server.lastgood.db`
    select count(*) as denials from audits where outcome = 'denied'`;
  assert.equal(row?.denials, 300);
});
