import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../../support/server.ts";

const config = {
  agents: { marketing: {}, backend: {} },
  services: { website: { reads: ["permissions/*"] }, api: {} },
  state: {
    neverRevive: [
      { documents: "permissions/*", path: "/grants" },
      { documents: "tokens/*", path: "/*/used", stricter: "true" },
    ],
  },
};

test("documents", async (t) => {
  await using server = await startServer(config);
  const { client } = server;
  const { db } = server.lastgood;
  const clear = () => db`truncate documents, document_versions, document_sources, changes cascade`;
  await t.test(
    "a document is written, read, compared and brought back, each time as a new version",
    async () => {
      await clear();
      const marketing = await server.clientAs("agent", "marketing");
      const first = await marketing.putDocument("permissions", "site", {
        body: { publish: true, by: ["ann"] },
        task: "t-1",
        reason: "set up",
      });
      assert.equal(first.version, 1);
      const second = await marketing.putDocument("permissions", "site", {
        body: { publish: false, by: ["ann"], draft: "x" },
        expect: 1,
        session: "s-7",
      });
      assert.deepEqual((await client.diffDocument("permissions", "site")).differences, [
        { op: "add", path: "/draft", value: "x" },
        { op: "replace", path: "/publish", was: true, value: false },
      ]);

      const restored = await client.restoreDocument("permissions", "site", { version: 1 });
      assert.equal(restored.version, 3);
      const now = await client.getDocument("permissions", "site");
      assert.deepEqual(now.body, { publish: true, by: ["ann"] });
      assert.equal(now.operation, "restore");
      assert.equal(now.agent, "token:admin");
      assert.equal(now.previousHash, second.hash);

      const before = await client.getDocument("permissions", "site", { at: second.at });
      assert.equal(before.version, 2, "as of the very microsecond at which it was written");
      const again = await client.restoreDocument("permissions", "site", { at: second.at });
      assert.equal(again.version, 4);
      assert.deepEqual((await client.getDocument("permissions", "site")).body, before.body);

      const { versions, more } = await client.documentHistory("permissions", "site", { limit: 3 });
      assert.deepEqual(
        versions.map((each) => [each.version, each.operation, each.agent, each.task, each.session]),
        [
          [4, "restore", "token:admin", null, null],
          [3, "restore", "token:admin", null, null],
          [2, "put", "marketing", null, "s-7"],
        ],
      );
      assert.ok(more);
      const [change] = (await client.changes({ task: "t-1" })).changes;
      assert.deepEqual(
        [change?.id, change?.layer, change?.kind, change?.target, change?.from, change?.to],
        [first.change, "state", "put", "permissions/site", null, "1"],
      );
      assert.deepEqual(await client.verifyDocuments(), {
        documents: 1,
        versions: 4,
        erased: 0,
        broken: [],
      });
    },
  );

  await t.test(
    "a write reaches the services that read the document at once, and no others",
    async () => {
      await clear();
      const read = await server.client.putDocument("permissions", "site", { body: {} });
      const unread = await server.client.putDocument("drafts", "one", { body: {} });
      const exposures = async (id: string) =>
        (await server.client.change(id)).exposures.map((each) => [each.service, each.exposedAt]);
      assert.deepEqual(await exposures(read.change), [["website", read.at]]);
      assert.deepEqual(await exposures(unread.change), []);
    },
  );

  await t.test("a write on another version than the expected one writes nothing", async () => {
    await clear();
    const put = (expect: number) => client.putDocument("posts", "a", { body: { expect }, expect });
    await assert.rejects(put(5), { code: "version_conflict", message: /does not exist/ });
    await put(0);
    await assert.rejects(put(0), { code: "version_conflict", message: /is at version 1/ });
    await assert.rejects(put(2), { code: "version_conflict" });
    assert.equal((await put(1)).version, 2);
    assert.equal((await client.changes({ layer: "state" })).changes.length, 2);
  });

  await t.test(
    "a removed document is gone, its history is not, and it comes back as a new version",
    async () => {
      await clear();
      await client.putDocument("posts", "a", { body: [1] });
      await client.removeDocument("posts", "a");
      await assert.rejects(client.getDocument("posts", "a"), {
        code: "not_found",
        message: /removed/,
      });
      await assert.rejects(client.removeDocument("posts", "a"), { code: "not_found" });
      assert.equal((await client.getDocument("posts", "a", { version: 2 })).holds, "removed");
      assert.deepEqual((await client.documents("posts")).documents, []);
      assert.equal(
        (await client.documents("posts", { removed: true })).documents[0]?.removed,
        true,
      );
      assert.equal((await client.restoreDocument("posts", "a", { version: 1 })).version, 3);
      assert.deepEqual((await client.getDocument("posts", "a")).body, [1]);
    },
  );

  await t.test(
    "an agent writes as itself, a viewer not at all, and only an admin erases",
    async () => {
      await clear();
      const marketing = await server.clientAs("agent", "marketing");
      const viewer = await server.clientAs("viewer");
      const operator = await server.clientAs("operator");
      const body = { a: 1 };
      await assert.rejects(marketing.putDocument("posts", "a", { body, agent: "backend" }), {
        code: "not_yours",
      });
      await assert.rejects(viewer.putDocument("posts", "a", { body }), { code: "forbidden" });
      await assert.rejects(server.client.getDocument("posts", "a"), { code: "not_found" });
      await operator.putDocument("posts", "a", { body, agent: "backend" });
      assert.equal((await viewer.getDocument("posts", "a")).agent, "backend");
      await assert.rejects(operator.eraseDocument("posts", "a"), { code: "forbidden" });
    },
  );

  await t.test("what was erased is nowhere, and the chain is still whole", async () => {
    await clear();
    await client.putDocument("people", "ann", { body: { phone: "555-0199" } });
    await client.putDocument("people", "ann", { body: { phone: "555-0199", vip: true } });
    assert.equal((await client.eraseDocument("people", "ann", { reason: "asked to" })).version, 3);

    const rows = await db`select v::text from document_versions v`;
    const ledger = await db`select c::text from changes c`;
    assert.doesNotMatch(JSON.stringify([rows, ledger]), /555-0199/);
    assert.deepEqual(await client.verifyDocument("people", "ann"), {
      documents: 1,
      versions: 3,
      erased: 2,
      broken: [],
    });
    assert.equal((await client.getDocument("people", "ann", { version: 2 })).holds, "erased");
    await assert.rejects(client.restoreDocument("people", "ann", { version: 1 }), {
      code: "state_forbids",
    });
    await assert.rejects(client.diffDocument("people", "ann", { from: 1, to: 3 }), {
      code: "state_forbids",
    });
    await client.putDocument("people", "ann", { body: { phone: null }, expect: 3 });
  });

  await t.test("a restore never revives what a newer version took away", async () => {
    await clear();
    await client.putDocument("permissions", "site", {
      body: { title: "old", grants: { ann: "write", eve: "admin" } },
    });
    await client.putDocument("permissions", "site", {
      body: { title: "new", grants: { ann: "write", bob: "read" } },
    });
    const restored = await client.restoreDocument("permissions", "site", { version: 1 });
    assert.deepEqual(restored.kept, ["/grants"]);
    assert.deepEqual((await client.getDocument("permissions", "site")).body, {
      title: "old",
      grants: { ann: "write" },
    });

    await client.putDocument("tokens", "reset", { body: { t1: { used: false, for: "ann" } } });
    await client.putDocument("tokens", "reset", { body: { t1: { used: true, for: "eve" } } });
    await client.restoreDocument("tokens", "reset", { version: 1 });
    assert.deepEqual((await client.getDocument("tokens", "reset")).body, {
      t1: { used: true, for: "ann" },
    });
  });

  await t.test(
    "hostile names and bodies are refused with their place, and nothing is written",
    async () => {
      await clear();
      const token = await server.tokenAs("operator");
      const { url } = server.lastgood;
      const put = async (path: string, body: string) => {
        const response = await fetch(`${url}/v1/documents/${path}`, {
          method: "PUT",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body,
        });
        const problem = (await response.json()) as {
          code?: string;
          path?: string;
          detail?: string;
        };
        assert.ok((problem.detail ?? "").length > 20, `a reason for ${path}`);
        return `${response.status} ${problem.code} ${problem.path}`;
      };
      const good = JSON.stringify({ body: {} });
      const deep = `{"body":${"[".repeat(70)}${"]".repeat(70)}}`;
      for (const [path, body, answer] of [
        ["..%2f..%2fetc/passwd", good, "400 bad_input path/collection"],
        ["posts/%2e%2e%2fx", good, "400 bad_input path/id"],
        ["posts/a%2fb", good, "400 bad_input path/id"],
        ["posts/a%00", good, "400 bad_input path/id"],
        ["posts/%F0%9F%98%80", good, "400 bad_input path/id"],
        ["__proto__/a", good, "400 bad_input path/collection"],
        ["posts';drop table documents;--/a", good, "400 bad_input path/collection"],
        [`posts/${"a".repeat(129)}`, good, "400 bad_input path/id"],
        [`${"a".repeat(65)}/a`, good, "400 bad_input path/collection"],
        ["posts/a", "{", "400 bad_input body"],
        ["posts/a", "{}", "400 bad_input body/body"],
        ["posts/a", '{"body":1,"expect":-1}', "400 bad_input body/expect"],
        ["posts/a", '{"body":1,"expect":1.5}', "400 bad_input body/expect"],
        ["posts/a", '{"body":1,"surprise":1}', "400 bad_input body/"],
        ["posts/a", '{"body":1,"derivedFrom":["nowhere"]}', "400 bad_input body/derivedFrom/0"],
        ["posts/a", '{"body":{"n":12345678901234567890}}', "400 bad_input /n"],
        ["posts/a", '{"body":{"n":["\\ud800"]}}', "400 bad_input /n/0"],
        ["posts/a", '{"body":{"n":"\\u0000"}}', "400 bad_input /n"],
        ["posts/a", '{"body":{"n":1e999}}', "400 bad_input body/body/n"],
        ["posts/a", deep, "400 too_deep body"],
        ["posts/a", JSON.stringify({ body: "x".repeat(1_048_576) }), "413 too_large body"],
        ["posts/a", JSON.stringify({ body: "x".repeat(1_400_000) }), "413 too_large undefined"],
      ] as const) {
        assert.equal(await put(path, body), answer, `${path} ${body.slice(0, 60)}`);
      }
      assert.equal((await db`select from documents`).length, 0);
      assert.equal((await db`select from changes`).length, 0);
    },
  );
});
