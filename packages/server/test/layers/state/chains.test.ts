import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyAllChains } from "../../../src/layers/state/chains.ts";
import { nameOf, startState } from "./world.ts";

const author = { agent: "ops", task: null, session: null, reason: "" };

test("chains", async (t) => {
  await using world = await startState();
  await t.test(
    "whatever is altered in the store, the first bad version is named, with why",
    async () => {
      await world.clear();
      const { db } = world;
      const cases: readonly [why: string, sql: string, finding: RegExp | null][] = [
        ["nothing", "select 1", null],
        [
          "a body",
          "update document_versions set body = '{\"n\":9}' where ver = 2",
          /^a\/x version 2: its content/,
        ],
        [
          "the last body",
          "update document_versions set body = '{}' where ver = 4",
          /^a\/x version 4: its content/,
        ],
        [
          "the first body",
          "update document_versions set body = '{}' where ver = 1",
          /^a\/x version 1: its content/,
        ],
        [
          "an author",
          "update document_versions set agent = 'eve' where ver = 3",
          /^a\/x version 3: its content/,
        ],
        [
          "a time",
          "update document_versions set at_us = at_us + 1 where ver = 3",
          /^a\/x version 3: /,
        ],
        [
          "times back",
          "update document_versions set at_us = 1 where ver = 3",
          /version 3: its time is not after/,
        ],
        [
          "an operation",
          "update document_versions set op = 3 where ver = 2",
          /^a\/x version 2: its content/,
        ],
        [
          "a salt",
          "update document_versions set salt = decode(repeat('00', 16), 'hex') where ver = 2",
          /version 2: its content/,
        ],
        [
          "a hash",
          "update document_versions set hash = decode(repeat('00', 32), 'hex') where ver = 4",
          /version 4: its content/,
        ],
        [
          "a version out",
          "delete from document_versions where ver = 2",
          /version 3: version 2 is missing/,
        ],
        [
          "the first out",
          "delete from document_versions where ver = 1",
          /version 2: the chain begins here/,
        ],
        [
          "the end cut off",
          "delete from document_versions where ver = 4",
          /version 4: the chain ends at version 3, its head is at 4/,
        ],
        [
          "the end cut off, and the head set back to match",
          `delete from document_versions where ver = 4;
         update documents d set (ver, hash, at_us) = (select ver, hash, at_us from document_versions v where v.doc = d.doc and ver = 3)`,
          /version 4: the ledger's latest change is to version 4, the head is at 3/,
        ],
        [
          "the head forward",
          "update documents set ver = 7",
          /version 5: the chain ends at version 4, its head is at 7/,
        ],
        ["the head back", "update documents set ver = 3", /version 4: the head is at version 3/],
        [
          "the head's hash",
          "update documents set hash = decode(repeat('00', 32), 'hex')",
          /version 4: the head has another hash/,
        ],
        ["the head's flag", "update documents set removed = true", /version 4: the head says/],
        [
          "the floor",
          "update documents set floor_ver = 2",
          /version 1: the chain begins here, not at version 2/,
        ],
        [
          "the document's name",
          "update documents set id = 'y'",
          /its key is not that of its collection and id/,
        ],
        ["the head gone", "delete from documents", /version 1: its document has no head/],
        [
          "all versions gone",
          "delete from document_versions",
          /version 4: the document has no versions at all/,
        ],
        [
          "all of it gone",
          "delete from document_versions; delete from documents",
          /^a\/x version 4: the ledger tells of it/,
        ],
        [
          "an erasure that nobody made",
          "update document_versions set body = null, salt = null, body_hash = sha256('\\x02'::bytea || salt || convert_to(body, 'UTF8')) where ver = 2",
          /version 2: its body is gone, and no later version/,
        ],
        [
          "the change's author",
          "update changes set agent = 'eve' where to_ref = '2'",
          /version 2: its change .* tells something else/,
        ],
        [
          "the change",
          "delete from changes where to_ref = '2'",
          /version 2: its change .* is not in the ledger/,
        ],
      ];
      for (const [what, sql, finding] of cases) {
        await world.clear();
        for (const n of [1, 2, 3, 4]) await world.put("a/x", "marketing", { n });
        await db.unsafe(sql);
        const found = await verifyAllChains(db);
        if (finding === null) assert.deepEqual(found, [], what);
        else {
          assert.match(found.join("\n"), finding, what);
          assert.ok(found.length >= 1 && found.length <= 2, what);
        }
      }
    },
  );

  await t.test("a damaged document does not hide behind whole ones", async () => {
    await world.clear();
    for (let n = 0; n < 120; n++) await world.put(`a/d${n}`, "marketing", { n });
    await world.put("a/d77", "marketing", { n: "later" });
    await world.state.documents.erase(nameOf("a/d5"), null, author);
    await world.state.documents.remove(nameOf("a/d6"), null, author);
    assert.deepEqual(await verifyAllChains(world.db), []);
    await world.db`
      update document_versions set body = '{"n":78}'
      where body = '{"n":77}'`;
    const found = await verifyAllChains(world.db);
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /^a\/d77 version 1:/);
  });
});
