import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChangeId } from "../../../src/ids.ts";
import { canonical, type Json } from "../../../src/json/canonical.ts";
import { verifyAllChains } from "../../../src/layers/state/chains.ts";
import type { Version } from "../../../src/layers/state/document.ts";
import { contentOf, planDocumentRevert } from "../../../src/layers/state/revert-plan.ts";
import { startServer } from "../../support/server.ts";
import { nameOf } from "./world.ts";

test("a task is taken back from every document, and what others wrote since is kept", async () => {
  await using server = await startServer({ agents: { marketing: {}, backend: {} } });
  const { client } = server;
  const { db } = server.lastgood;
  const marketing = await server.clientAs("agent", "marketing");
  const backend = await server.clientAs("agent", "backend");
  const put = (who: typeof client, target: string, body: Json, task?: string) => {
    const { collection, id } = nameOf(target);
    return who.putDocument(collection, id, { body, ...(task && { task }) });
  };
  const body = async (target: string) => {
    const { collection, id } = nameOf(target);
    return (await client.getDocument(collection, id)).body;
  };
  for (const target of ["a/clean", "a/merged", "a/conflict", "a/removed"]) {
    await put(backend, target, { title: "good", views: 1, tags: ["x"] });
  }
  const bad = { title: "bad", views: 1, tags: ["x"] };
  for (const target of ["a/clean", "a/merged", "a/conflict", "a/created", "a/undone"]) {
    await put(marketing, target, bad, "t-9");
  }
  await marketing.removeDocument("a", "removed", { task: "t-9" });
  await put(backend, "a/merged", { ...bad, views: 2 });
  await put(backend, "a/conflict", { ...bad, title: "worse" });
  await backend.removeDocument("a", "undone");

  const set = { task: "t-9" };
  const preview = await client.revertDocuments({ set, preview: true });
  assert.equal(preview.change, null);
  assert.deepEqual(
    preview.documents.map((each) => [each.id, each.outcome, each.from, each.restores]),
    [
      ["clean", "clean", 2, 1],
      ["conflict", "conflict", 3, null],
      ["created", "clean", 1, null],
      ["merged", "merged", 3, null],
      ["removed", "clean", 2, 1],
      ["undone", "unchanged", 2, null],
    ],
  );
  const [conflict] = preview.documents[1]?.conflicts ?? [];
  assert.equal(conflict?.path, "/title");
  assert.deepEqual(
    conflict?.by.map((each) => [each.agent, each.version]),
    [["backend", 3]],
  );
  assert.equal((await db`select from document_versions`).length, 13, "a preview writes nothing");

  await assert.rejects(client.revertDocuments({ set }), {
    code: "revert_conflicts",
    message: /a\/conflict at \/title: edited since by backend in version 3/,
  });
  assert.equal((await db`select from document_versions`).length, 13, "nor does a conflict");
  await assert.rejects(backend.revertDocuments({ set, leaveConflicts: true }), {
    code: "not_yours",
  });

  const done = await marketing.revertDocuments({
    set,
    leaveConflicts: true,
    reason: "wrong brief",
  });
  assert.deepEqual({ ...done, change: null }, preview, "the revert is what the preview showed");
  assert.deepEqual(await body("a/clean"), { title: "good", views: 1, tags: ["x"] });
  assert.deepEqual(await body("a/merged"), { title: "good", views: 2, tags: ["x"] });
  assert.deepEqual(await body("a/conflict"), { ...bad, title: "worse" });
  assert.deepEqual(await body("a/removed"), { title: "good", views: 1, tags: ["x"] });
  await assert.rejects(client.getDocument("a", "created"), { code: "not_found" });

  const act = await client.change(done.change ?? "");
  assert.equal(act.target, "4 documents");
  assert.equal(act.agent, "marketing");
  assert.equal(act.reverts.length, 4);
  const [one] = (await client.changes({ target: "a/merged", limit: 1 })).changes;
  assert.deepEqual([one?.kind, one?.reason, one?.details.act], ["revert", "wrong brief", act.id]);

  // The revert can itself be taken back, as one act.
  await client.revertDocuments({ set: { changes: [act.id] } });
  assert.deepEqual(await body("a/clean"), bad);
  assert.deepEqual(await body("a/merged"), { ...bad, views: 2 });
  assert.deepEqual(await body("a/created"), bad);
  await assert.rejects(client.getDocument("a", "removed"), { code: "not_found" });
  assert.deepEqual(await verifyAllChains(db), []);
});

test("an agent's window is taken back, and what was made from it is listed or goes too", async () => {
  await using server = await startServer();
  const { client } = server;
  await client.putDocument("a", "source", { body: { n: 1 }, agent: "one" });
  await client.putDocument("a", "report", {
    body: { sum: 1 },
    agent: "two",
    derivedFrom: ["a/source"],
  });
  const bad = await client.putDocument("a", "source", { body: { n: 100 }, agent: "one" });
  await client.putDocument("a", "report", {
    body: { sum: 100 },
    agent: "two",
    derivedFrom: ["a/source"],
  });
  await client.putDocument("a", "mail", {
    body: "100!",
    agent: "three",
    derivedFrom: ["a/report"],
  });

  const set = { agent: "one", since: new Date(Date.parse(bad.at)).toISOString() };
  // Both of its writes may fall into the same millisecond: name the change then.
  const request = { set: { ...set, changes: [bad.change] } };
  const preview = await client.revertDocuments({ ...request, preview: true });
  assert.deepEqual(
    preview.documents.map((each) => [each.id, each.outcome, each.restores]),
    [["source", "clean", 1]],
  );
  assert.deepEqual(preview.derived, [
    { collection: "a", id: "report", source: "a/source", versions: [2] },
    { collection: "a", id: "mail", source: "a/report", versions: [1] },
  ]);
  await client.revertDocuments({ ...request, withDerived: true });
  assert.deepEqual((await client.getDocument("a", "source")).body, { n: 1 });
  assert.deepEqual((await client.getDocument("a", "report")).body, { sum: 1 });
  await assert.rejects(client.getDocument("a", "mail"), { code: "not_found" });

  await assert.rejects(client.revertDocuments({ set: { task: "nobody's" } }), {
    code: "nothing_to_revert",
  });
  await assert.rejects(client.revertDocuments({ set: { agent: "one" } }), {
    code: "bad_input",
    message: /since/,
  });
});

const leaf = fc.constantFrom<Json>(0, 1, 2, [1], { x: 1 });
const bodies = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), leaf, { noNullPrototype: true });
const history = fc.array(fc.record({ body: fc.option(bodies), mine: fc.boolean() }), {
  minLength: 1,
  maxLength: 7,
});

function chainOf(steps: readonly { body: Json | null; mine: boolean }[]): readonly Version[] {
  return steps.map(({ body, mine }, index) => ({
    ...{ collection: "c", id: "x", version: index + 1, atUs: index, operation: "put" },
    ...{ agent: mine ? "mine" : "yours", task: null, session: null, reason: "" },
    ...{ change: `change-${index}` as ChangeId, act: null, previousHash: null, hash: "" },
    derivedFrom: [],
    body: body === null ? { kind: "removed" } : { kind: "json", text: canonical(body) },
  }));
}

test("a revert keeps every value that others wrote last, or says where it cannot", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const chain = chainOf(steps);
      const set = new Set(
        chain.filter((each) => each.agent === "mine").map((each) => each.version),
      );
      fc.pre(set.size > 0);
      const first = Math.min(...set);
      const revert = planDocumentRevert(chain.slice(Math.max(0, first - 2)), set, []);
      const head = contentOf(chain.at(-1));
      if (revert.outcome === "conflict") {
        for (const each of revert.conflicts) assert.match(each.because, /edited since by yours/);
        return;
      }
      const result = revert.body === null ? undefined : (JSON.parse(revert.body) as Json);
      if (![...chain].some((each) => each.agent === "yours" && each.version > first)) {
        assert.deepEqual(result, contentOf(chain[first - 2]), "untouched since: as before");
        assert.notEqual(revert.outcome, "merged");
      }
      if (revert.outcome === "unchanged") assert.deepEqual(result, head);
      else assert.notDeepEqual(result, head);
      // Where nobody but others wrote, the head's value stays.
      for (const key of ["a", "b", "c", "d"]) {
        const at = (version: Version | undefined) => keyOf(contentOf(version), key);
        const touchedByMe = chain.some(
          (each, index) =>
            set.has(each.version) &&
            JSON.stringify(at(each)) !== JSON.stringify(at(chain[index - 1])),
        );
        if (!touchedByMe && result !== undefined && head !== undefined) {
          assert.deepEqual(keyOf(result, key), at(chain.at(-1)), key);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

function keyOf(body: Json | undefined, key: string): Json | undefined {
  return typeof body === "object" && body !== null && !Array.isArray(body)
    ? (body as Record<string, Json>)[key]
    : undefined;
}
