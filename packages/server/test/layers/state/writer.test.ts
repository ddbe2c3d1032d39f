import assert from "node:assert/strict";
import { test } from "node:test";
import { verifyAllChains } from "../../../src/layers/state/chains.ts";
import type { Write } from "../../../src/layers/state/document.ts";
import { createDocumentWriter } from "../../../src/layers/state/document-writer.ts";
import { newChangeId, realWorld } from "../../../src/world.ts";
import { startState } from "./world.ts";

function writeOf(id: string, body: string, expect: number | null = null): Write {
  return {
    ...{ collection: "c", id, body, expect, operation: "put", change: newChangeId(realWorld) },
    ...{ agent: "a", task: null, session: null, reason: 'with "quotes", {braces} and \\ in it' },
  };
}

test("the writer of documents", async (t) => {
  await using world = await startState();
  await t.test("writes that come together are written once each, in order, and chain", async () => {
    await world.clear();
    const { db } = world;
    // Two servers over one database.
    const writers = [
      world.writer,
      createDocumentWriter({ db, world: realWorld, readers: () => [] }),
    ];
    const all = Array.from({ length: 600 }, (_, n) => ({ n, id: `d${n % 37}` }));
    const written = await Promise.all(
      all.map(({ n, id }) => writers[n % 2]?.write(writeOf(id, `{"n":${n}}`))),
    );
    assert.ok(written.every((each) => each?.ok));
    const counts = new Map<string, Set<number>>();
    for (const [index, each] of written.entries()) {
      const id = all[index]?.id ?? "";
      counts.set(id, (counts.get(id) ?? new Set()).add(each?.ok ? each.version : -1));
    }
    for (const [id, versions] of counts) {
      const expected = all.filter((each) => each.id === id).map((_, index) => index + 1);
      assert.deepEqual(
        [...versions].sort((a, b) => a - b),
        expected,
        id,
      );
    }
    assert.deepEqual(await verifyAllChains(db), []);

    // One server's writes to one document keep the order in which they came.
    const rows = await db<{ id: string; n: number }[]>`
      select d.id, (v.body::jsonb ->> 'n')::int as n from document_versions v join documents d using (doc)
      order by d.id, v.ver`;
    for (const parity of [0, 1]) {
      for (const id of counts.keys()) {
        const numbers = rows
          .filter((row) => row.id === id && row.n % 2 === parity)
          .map((row) => row.n);
        assert.deepEqual(
          numbers,
          [...numbers].sort((a, b) => a - b),
        );
      }
    }
  });

  await t.test("of many writers that expect the same version exactly one writes", async () => {
    await world.clear();
    const outcomes = async (expect: number) =>
      (
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => world.writer.write(writeOf("x", `${n}`, expect))),
        )
      ).map((each) => (each.ok ? "written" : each.actual));
    for (const [expect, next] of [
      [0, 1],
      [1, 2],
      [2, 3],
    ] as const) {
      const found = await outcomes(expect);
      assert.deepEqual(found.toSorted().reverse(), ["written", ...Array(19).fill(next)]);
    }
    assert.deepEqual(await outcomes(7), Array(20).fill(3));
  });

  await t.test("in one statement some are refused and the others are written", async () => {
    await world.clear();
    await world.writer.write(writeOf("old", "1"));
    const written = await world.writer.writeAll(world.db, [
      writeOf("z", "2", 0),
      writeOf("old", "2", 0),
      writeOf("absent", "2", 4),
      writeOf("a", "2"),
      { ...writeOf("old2", "2"), derivedFrom: ["c/a", "c/z"], details: { restores: 3 } },
    ]);
    assert.deepEqual(
      written.map((each) => (each.ok ? each.version : -each.actual)),
      [1, -1, -0, 1, 1],
    );
    assert.deepEqual(
      (await world.db`select source from document_sources order by 1`).map((row) => row.source),
      ["c/a", "c/z"],
    );
    const [change] = await world.db`select reason, details from changes where target = 'c/old2'`;
    assert.deepEqual(change?.details, { restores: 3 });
    assert.equal(change?.reason, 'with "quotes", {braces} and \\ in it');
  });

  await t.test("a document's times never step back, whatever the clock does", async () => {
    await world.clear();
    const times = [5_000, 3_000, 3_000, 9_000];
    const clock = { ...realWorld, now: () => new Date(times.shift() ?? 0) };
    const writer = createDocumentWriter({ db: world.db, world: clock, readers: () => [] });
    const at: number[] = [];
    for (const body of ["1", "2", "3", "4"]) {
      const written = await writer.write(writeOf("x", body));
      at.push(written.ok ? written.atUs : -1);
    }
    assert.deepEqual(at, [5_000_000, 5_000_001, 5_000_002, 9_000_000]);
    const rows = await world.db`select at from changes order by at`;
    assert.equal(rows[3]?.at.getTime(), 9_000);
    assert.deepEqual(await verifyAllChains(world.db), []);
  });

  await t.test(
    "writes beyond the queue are refused at once, and the others are written",
    async () => {
      await world.clear();
      const settled = await Promise.allSettled(
        Array.from({ length: 10_300 }, (_, n) => world.writer.write(writeOf(`d${n}`, "1"))),
      );
      // A few went out at once, 10,000 waited.
      const refused = settled.filter((each) => each.status === "rejected");
      assert.ok(refused.length > 250 && refused.length < 300, `${refused.length} refused`);
      assert.ok(refused.every((each) => each.reason.code === "too_many"));
      const { length } = await world.db`select from documents`;
      assert.equal(length, 10_300 - refused.length);
    },
  );
});
