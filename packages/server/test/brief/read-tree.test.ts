import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { WorkTreePlace } from "@lastgood/sdk";
import { readTree, type WorkTrees } from "../../src/brief/read-tree.ts";
import { Fault } from "../../src/fault.ts";
import { measureFile } from "../../src/work-trees/measure-file.ts";
import { sessionOf, treeOf } from "./sample.ts";

const at = (path: string, host: string): WorkTreePlace => ({ path, host });
const dead = sessionOf({ id: "dead", workTree: at("/old", "here") });
const asking = sessionOf({ id: "asking", workTree: at("/new", "here") });

/** Work trees of which those named can be read, and those of the sessions named were saved. */
function treesOf(readable: readonly string[], savedOf: readonly string[] = []): WorkTrees {
  return {
    host: "here",
    mayRead: (_, path) => !path.startsWith("/secret"),
    async read({ path }) {
      if (readable.includes(path)) return treeOf({ path });
      throw new Fault("not_found", `there is no folder ${path}`);
    },
    saved: async (session) =>
      savedOf.includes(session) ? treeOf({ path: `saved of ${session}`, source: "saved" }) : null,
    measure: () => null,
  };
}

async function pathFrom(trees: WorkTrees | null, change: object = {}) {
  const { report, place, doubts } = await readTree(trees, {
    ...{ session: asking, before: dead, ownTreeFirst: false },
    ...change,
  });
  return [report?.path ?? null, place, doubts.length];
}

test("the dead session's work tree is read where it is, else as it was saved, else the new one's", async () => {
  assert.deepEqual(await pathFrom(treesOf(["/old", "/new"])), ["/old", "/old", 0]);
  assert.deepEqual(await pathFrom(treesOf(["/new"], ["dead"])), ["saved of dead", "/old", 0]);
  assert.deepEqual(await pathFrom(treesOf(["/new"])), ["/new", "/old", 1]);
  assert.deepEqual(await pathFrom(treesOf([])), [null, "/old", 2]);
});

test("after a first brief the asking session's own work tree comes first", async () => {
  const own = { ownTreeFirst: true };
  assert.deepEqual(await pathFrom(treesOf(["/old", "/new"]), own), ["/new", "/new", 0]);
});

test("a disk of another machine is never looked for here", async () => {
  const away = sessionOf({ id: "dead", workTree: at("/old", "there") });
  const only = { before: away, session: null };
  assert.deepEqual(await pathFrom(treesOf(["/old"]), only), [null, "/old", 0]);
  assert.deepEqual(await pathFrom(treesOf(["/old"], ["dead"]), only), ["saved of dead", "/old", 0]);
  assert.deepEqual(await pathFrom(null, only), [null, "/old", 0]);
  const nowhere = { before: sessionOf({ workTree: null }), session: null };
  assert.deepEqual(await pathFrom(treesOf([]), nowhere), [null, null, 0]);
});

test("what nobody named is not read with the server's own rights, and that is said", async () => {
  const poking = sessionOf({ id: "dead", workTree: at("/secret", "here") });
  const only = { before: poking, session: null };
  assert.deepEqual(await pathFrom(treesOf(["/secret"]), only), [null, "/secret", 1]);
  assert.deepEqual(await pathFrom(treesOf(["/secret"], ["dead"]), only), [
    "saved of dead",
    "/secret",
    0,
  ]);
});

test("a bug in the reader is no doubt about the disk", async () => {
  const broken: WorkTrees = { ...treesOf([]), read: () => Promise.reject(new TypeError("bug")) };
  await assert.rejects(pathFrom(broken), TypeError);
});

test("a file is measured within the work tree, and nowhere else", () => {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-measure-"));
  try {
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "posts"), { recursive: true });
    writeFileSync(join(folder, "secret"), "one two three\n");
    writeFileSync(join(tree, "posts/launch.md"), "one two\nthree\n\nfour");
    writeFileSync(join(tree, "empty"), "");
    writeFileSync(join(tree, "binary"), Buffer.from([0, 1, 255]));
    symlinkSync(folder, join(tree, "out"));
    symlinkSync(join(folder, "secret"), join(tree, "link"));
    assert.deepEqual(measureFile(tree, "posts/launch.md"), { words: 4, lines: 4 });
    assert.deepEqual(measureFile(tree, "./posts/launch.md"), { words: 4, lines: 4 });
    assert.deepEqual(measureFile(tree, "empty"), { words: 0, lines: 0 });
    const elsewhere = ["../secret", "posts/../../secret", "out/secret", "link", "/etc/passwd"];
    for (const path of [...elsewhere, "binary", "posts", "nothing", "", ".git/config"]) {
      assert.equal(measureFile(tree, path), null, path);
    }
    assert.equal(measureFile(join(folder, "nothing"), "a"), null);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
