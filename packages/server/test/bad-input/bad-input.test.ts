/**
 * One table: what is wrong, the fault, the exit status, a text that says what to do; and the world is as
 * it was. The rows that are typed run the real command line.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { accessRows } from "./access-rows.ts";
import { actRows } from "./act-rows.ts";
import { planMergeAndRoot, pushGuiltyAgain } from "./afterwards.ts";
import { briefRows } from "./brief-rows.ts";
import { ask, type Outcome, type } from "./calls.ts";
import { commandRows } from "./command-rows.ts";
import { type Digests, moved } from "./digest.ts";
import { executionRows } from "./execution-rows.ts";
import { formRows } from "./form-rows.ts";
import { gateRows } from "./gate-rows.ts";
import { nameRows } from "./name-rows.ts";
import { releaseRows } from "./release-rows.ts";
import { rolloutRows } from "./rollout-rows.ts";
import type { Row } from "./row.ts";
import { workRows } from "./work-rows.ts";
import { startSmallWorld } from "./world.ts";

function judge({ fault, exit, says }: Row<unknown>, { code, exit: left, text }: Outcome): void {
  assert.deepEqual({ code, exit: left }, { code: fault, exit }, text);
  assert.match(text, says);
}

function unmoved(leaves: readonly string[] | undefined, before: Digests, after: Digests): void {
  assert.deepEqual(moved(before, after), leaves ?? []);
}

test("bad input is refused with its code and what to do, and moves nothing", {
  timeout: 900_000,
}, async (t) => {
  await using world = await startSmallWorld();
  let before = await world.digest();
  const rows = [
    ...formRows,
    ...nameRows,
    ...accessRows,
    ...actRows,
    ...workRows,
    ...briefRows,
    ...releaseRows,
    ...rolloutRows,
    ...gateRows,
    ...executionRows,
  ];
  for (const row of rows) {
    await t.test(row.name, async () => {
      const outcome = await ask(world, row.call);
      const was = before;
      before = await world.digest();
      judge(row, outcome);
      unmoved(row.leaves, was, before);
    });
  }
  for (const rows of batchesOf(commandRows, atOnce)) {
    const outcomes = await Promise.all(rows.map(({ call }) => type(world, call)));
    for (const [index, row] of rows.entries()) {
      await t.test(row.name, () => judge(row, outcomes[index] ?? assert.fail()));
    }
    await t.test("and the world is as it was", async () => {
      unmoved([], before, await world.digest());
    });
  }
  await t.test("a merge and a root commit can be planned", () => planMergeAndRoot(world));
  await t.test("the guilty change pushed again is not deployed", () => pushGuiltyAgain(world));
  assert.deepEqual(world.sang(), [], "nothing that the repositories name was run");
});

/** A program takes half a second to start: several start at once, and are judged one by one. */
const atOnce = 4;

function batchesOf<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
}
