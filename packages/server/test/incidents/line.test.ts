import assert from "node:assert/strict";
import { test } from "node:test";
import type { Commit } from "../../src/git/mirror.ts";
import { lineOf } from "../../src/incidents/line.ts";

function commit(id: string, ...parents: readonly string[]): Commit {
  return {
    id,
    parents,
    authorEmail: "backend@agents.example",
    authorName: "backend",
    committedAt: new Date(0),
    subject: id,
    trailers: {},
    paths: [],
    patchId: null,
  };
}

const straight = [commit("b", "a"), commit("c", "b"), commit("d", "c"), commit("e", "d")];

test("suspects lie along the line in order, from the parent of the first to the last", () => {
  assert.deepEqual(lineOf(straight, new Set(["d", "b"])), {
    base: "a",
    revisions: ["b", "d"],
    suspects: [["b"], ["d"]],
  });
});

test("what came in by a merge stands at the merge", () => {
  const merged = [
    commit("b", "a"),
    commit("x", "a"),
    commit("y", "x"),
    commit("m", "b", "y"),
    commit("c", "m"),
  ];
  assert.deepEqual(lineOf(merged, new Set(["b", "x", "y", "c"])), {
    base: "a",
    revisions: ["b", "m", "c"],
    suspects: [["b"], ["y", "x"], ["c"]],
  });
});

test("what holds a commit that was taken back later is not run, and its suspects stand where that was", () => {
  const long = [...straight, commit("f", "e"), commit("g", "f")];
  const back = [{ commit: "c", by: "e" }];
  assert.deepEqual(lineOf(long, new Set(["b", "d", "e", "f", "g"]), back), {
    base: "a",
    revisions: ["b", "e", "f", "g"],
    suspects: [["b"], ["d", "e"], ["f"], ["g"]],
  });
  assert.deepEqual(
    lineOf(long, new Set(["d"]), back),
    { base: "b", revisions: ["e"], suspects: [["d"]] },
    "the base is before it too",
  );
  const before = [{ commit: "from before", by: "c" }];
  assert.deepEqual(
    lineOf(long, new Set(["b", "f"]), before),
    { base: null, revisions: ["c", "f"], suspects: [["b"], ["f"]] },
    "nothing that could be run is known to be good",
  );
});

test("before a root commit there is nothing to run, and off the branch there is no line", () => {
  assert.equal(lineOf([commit("a")], new Set(["a"]))?.base, null);
  assert.equal(lineOf(straight, new Set(["z"])), null);
});
