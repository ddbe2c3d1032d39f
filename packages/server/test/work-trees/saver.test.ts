import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openWorkTree } from "../../src/work-trees/inspect.ts";
import { openKeep, saveRef } from "../../src/work-trees/keep.ts";
import { restoreWorkTree } from "../../src/work-trees/restore.ts";
import { createSaver, saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { listSaves } from "../../src/work-trees/saves.ts";
import { undoSession } from "../../src/work-trees/undo.ts";
import { anyTree, readTree, sorted, writeTree } from "./random-tree.ts";
import { makeTree, run } from "./tree.ts";

/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();
const session = "sess_20261126_1200_marketing";

function empty(folder: string): void {
  for (const each of readdirSync(folder, { encoding: "buffer" })) {
    if (each.toString() === ".git") continue;
    rmSync(Buffer.concat([Buffer.from(`${folder}/`), each]), { recursive: true });
  }
}

test("any tree, saved and restored, is byte for byte what it was, links and modes included", async () => {
  using tree = makeTree({ repository: false });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(anyTree, async (disk) => {
      runs += 1;
      empty(tree.path);
      writeTree(tree.path, disk);
      const own = `${session}_${runs}`;
      await saveWorkTree(tree.path, { home: tree.home, session: own, kind: "start" });
      const folder = join(tree.folder, `restored-${runs}`);
      const restored = await restoreWorkTree({ home: tree.home, session: own, folder });
      assert.deepEqual(restored.left, []);
      assert.deepEqual(readTree(folder), sorted(disk));
    }),
    { numRuns: 40 },
  );
});

test("after any two trees of a session, taking it back gives the first, and going back the second", async () => {
  using tree = makeTree({ repository: false });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(anyTree, anyTree, async (found, left) => {
      runs += 1;
      const own = `${session}_${runs}`;
      const options = { home: tree.home, session: own };
      empty(tree.path);
      writeTree(tree.path, found);
      await saveWorkTree(tree.path, { ...options, kind: "start" });
      empty(tree.path);
      writeTree(tree.path, left);
      await saveWorkTree(tree.path, options);
      const undone = await undoSession(options);
      assert.deepEqual(undone.left, []);
      assert.deepEqual(readTree(tree.path), sorted(found));
      const again = await undoSession({ ...options, to: undone.before ?? "" });
      assert.deepEqual(again.left, []);
      assert.deepEqual(readTree(tree.path), sorted(left));
    }),
    { numRuns: 30 },
  );
});

test("a save is made only when something differs, and stands on the session's one before", async () => {
  using tree = makeTree();
  tree.write({ "post.md": "one\n" });
  const head = tree.commit();
  const saver = createSaver(await openWorkTree(tree.path, tree), session);
  const start = await saver.save("start", signal);
  assert.equal(start.isNew, true);
  assert.equal((await saver.save("change", signal)).isNew, false);
  assert.equal((await saver.save("end", signal)).isNew, false);
  tree.write({ "post.md": "one\ntwo\n", "new.md": "three\n" });
  const change = await saver.save("change", signal);
  assert.deepEqual([change.isNew, change.save.kind, change.save.head], [true, "change", head]);
  const next = tree.commit("more");
  const moved = await saver.save("change", signal);
  assert.deepEqual([moved.isNew, moved.save.head, moved.save.branch], [true, next, "main"]);
  const saves = await listSaves(saver.tree.keep, session, signal);
  assert.deepEqual(
    saves.map(({ id }) => id),
    [moved.save.id, change.save.id, start.save.id],
  );
  const show = (id: string) => run(saver.tree.keep.directory, "ls-tree", "-r", "--name-only", id);
  assert.equal(show(start.save.id), "post.md");
  assert.equal(show(moved.save.id), "new.md\npost.md");
  // Another one, who knows nothing of this one, goes on where it was.
  assert.equal((await saveWorkTree(tree.path, { home: tree.home, session })).isNew, false);
});

test("a nested repository's files are saved, its .git and what is ignored are not", async () => {
  using tree = makeTree();
  tree.write({ ".gitignore": "*.log\n", "a.log": "no\n", "inner/lib.c": "int x;\n" });
  mkdirSync(tree.at("inner/.git/objects"), { recursive: true });
  run(tree.at("inner"), "init", "--quiet");
  const { save } = await saveWorkTree(tree.path, { home: tree.home, session });
  const { directory } = await openKeep(tree.home, tree.path, "sha1");
  assert.equal(run(directory, "ls-tree", "-r", "--name-only", save.id), ".gitignore\ninner/lib.c");
});

test("what grows too large or closed stays as it was saved last", async () => {
  using tree = makeTree({ repository: false });
  tree.write({ a: "small\n", b: "b\n" });
  const options = { home: tree.home, session, limits: { fileBytesMax: 100 } };
  await saveWorkTree(tree.path, options);
  tree.write({ a: "x".repeat(200), b: "bb\n" });
  const look = await saveWorkTree(tree.path, options);
  assert.match((await look.report()).unread.join(), /a: it has 200 bytes/);
  const { directory } = await openKeep(tree.home, tree.path, "sha1");
  assert.equal(run(directory, "show", `${look.save.id}:a`), "small");
  assert.equal(run(directory, "show", `${look.save.id}:b`), "bb");
});

test("two savers of one tree at once leave a chain in which nothing is missing", async () => {
  using tree = makeTree({ repository: false });
  const savers = await Promise.all(
    [1, 2, 3].map(async () => createSaver(await openWorkTree(tree.path, tree), session)),
  );
  for (let n = 0; n < 5; n++) {
    tree.write({ [`${n}.md`]: `${n}\n` });
    await Promise.all(savers.map((saver) => saver.save("change", signal)));
  }
  const { directory } = await openKeep(tree.home, tree.path, "sha1");
  run(directory, "fsck", "--full", "--strict");
  const saves = run(directory, "rev-list", "--count", saveRef(session));
  assert.equal(saves, "5");
});

test("sessions beyond the newest twenty are forgotten, with their commits", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  tree.commit();
  for (let n = 0; n < 23; n++) {
    tree.write({ a: `${n}\n` });
    await saveWorkTree(tree.path, { home: tree.home, session: `sess.${n}`, kind: "start" });
  }
  const { directory } = await openKeep(tree.home, tree.path, "sha1");
  const refs = (kind: string) =>
    run(directory, "for-each-ref", `refs/lastgood/${kind}`).split("\n");
  assert.equal(refs("work").length, 20);
  assert.equal(refs("commits").length, 20);
});

test("a session that writes much begins new chains, and still goes back to what it found", async () => {
  using tree = makeTree({ repository: false });
  tree.write({ "state.bin": "found", "post.md": "found\n" });
  const saver = createSaver(await openWorkTree(tree.path, tree), session);
  const made = [(await saver.save("start", signal)).save.id];
  const { keep } = saver.tree;
  for (let n = 0; n < 6; n++) {
    tree.write({ "state.bin": Buffer.alloc(33_000_000, String(n)), "post.md": `${n}\n` });
    made.push((await saver.save("change", signal)).save.id);
  }
  const saves = await listSaves(keep, session, signal);
  assert.deepEqual(
    saves.map(({ id }) => id),
    made.toReversed(),
  );
  assert.deepEqual(saves.map(({ link }) => link.chain).toReversed(), [0, 0, 0, 0, 1, 1, 1]);
  run(keep.directory, "fsck", "--full", "--strict");
  await undoSession({ home: tree.home, session });
  const post = readTree(tree.path).get("post.md");
  assert.deepEqual(post, { kind: "file", content: "found\n", runs: false });
});
