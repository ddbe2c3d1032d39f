import assert from "node:assert/strict";
import { test } from "node:test";
import { createBacklog } from "../src/backlog.ts";

test("what is kept in the very moment when all before it is told, is told as well", async () => {
  const backlog = createBacklog(undefined);
  const untold: number[] = [];
  // At each turn of the promises after the first was told: the telling ends in one of them.
  for (let turns = 0; turns < 20; turns++) {
    const first = Promise.withResolvers<void>();
    const telling = backlog.keep("the first", () => first.promise);
    first.resolve();
    for (let turn = 0; turn < turns; turn++) await null;
    let isTold = false;
    await backlog.keep("the next", async () => {
      isTold = true;
    });
    if (!isTold) untold.push(turns);
    await telling;
    await backlog.tell();
  }
  assert.deepEqual(untold, []);
});
