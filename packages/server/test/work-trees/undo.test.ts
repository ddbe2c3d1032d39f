import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SaveKind } from "@lastgood/sdk";
import { saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { type Undone, type UndoOptions, undoSession } from "../../src/work-trees/undo.ts";
import { infest } from "../code/infest.ts";
import { makeTree, type TestTree } from "./tree.ts";

const session = "sess_20261126_1200_marketing";
const lines = (...all: readonly string[]) => all.map((each) => `${each}\n`).join("");

const save = async (tree: TestTree, kind: SaveKind = "change", own = session) =>
  (await saveWorkTree(tree.path, { home: tree.home, session: own, kind })).save;
const undo = (tree: TestTree, options: Partial<UndoOptions> = {}) =>
  undoSession({ home: tree.home, session, ...options });
const text = (tree: TestTree, path: string) =>
  existsSync(tree.at(path)) ? readFileSync(tree.at(path), "utf8") : null;
const what = ({ files }: Undone) => files.map((each) => `${each.what} ${each.path}`);

test("edits that were there before the session began stay, also where the session edited on", async () => {
  using tree = makeTree();
  tree.write({ "a.md": "committed\n", "b.md": "committed\n", "c.md": "c\n", "gone.md": "g\n" });
  tree.commit();
  tree.write({ "a.md": "mine\n", "b.md": "mine\n", "draft.md": "untracked, mine\n" });
  await save(tree, "start");
  tree.write({
    ...{ "a.md": "the session's\n", "c.md": "the session's\n", "new/n.md": "n\n" },
    ...{ "draft.md": null, "gone.md": null },
  });
  tree.git("checkout", "--quiet", "b.md");
  await save(tree);
  const undone = await undo(tree);
  assert.deepEqual(what(undone), [
    "put back a.md",
    "put back b.md",
    "put back c.md",
    "brought back draft.md",
    "brought back gone.md",
    "removed new/n.md",
  ]);
  assert.deepEqual([text(tree, "a.md"), text(tree, "b.md")], ["mine\n", "mine\n"]);
  assert.deepEqual([text(tree, "c.md"), text(tree, "draft.md")], ["c\n", "untracked, mine\n"]);
  assert.equal(existsSync(tree.at("new")), false);
  assert.deepEqual((await undo(tree)).files, []);
});

test("what the session committed stays, and its edits after that go back to what it committed", async () => {
  using tree = makeTree();
  tree.write({ "post.md": "one\n", "other.md": "1\n", "dropped.md": "d\n" });
  tree.commit();
  tree.write({ "other.md": "mine, from before\n" });
  await save(tree, "start");
  tree.write({ "post.md": "one\ntwo\n", "made.md": "made\n" });
  tree.git("add", "post.md", "made.md");
  tree.git("rm", "--quiet", "dropped.md");
  tree.git("commit", "--quiet", "-m", "two");
  tree.write({
    "post.md": "one\ntwo\nthree\n",
    "other.md": "the session's\n",
    "made.md": "made on\n",
  });
  await save(tree);
  await undo(tree);
  assert.equal(text(tree, "post.md"), "one\ntwo\n");
  assert.equal(text(tree, "made.md"), "made\n");
  assert.equal(text(tree, "other.md"), "mine, from before\n");
  assert.equal(text(tree, "dropped.md"), null);
  assert.equal(tree.git("status", "--porcelain"), "M other.md".padStart(11));
});

test("what somebody committed of it since is no uncommitted edit any more", async () => {
  using tree = makeTree();
  tree.write({ "post.md": "one\n" });
  tree.commit();
  await save(tree, "start");
  tree.write({ "post.md": "one\ntwo\n", "new.md": "n\n", "left.md": "l\n" });
  await save(tree);
  tree.git("add", "post.md", "new.md");
  tree.git("commit", "--quiet", "-m", "somebody found it good");
  assert.deepEqual(what(await undo(tree)), ["removed left.md"]);
  assert.equal(text(tree, "post.md"), "one\ntwo\n");
});

test("a later edit of other lines is kept, one of the same lines is left and said", async () => {
  using tree = makeTree();
  tree.write({ "a.md": lines("1", "2", "3", "4", "5"), "b.md": "1\n", "n.md": "" });
  await save(tree, "start");
  tree.write({
    "a.md": lines("1", "2", "3", "4", "5", "session"),
    "b.md": "session\n",
    "new.md": "s\n",
  });
  await save(tree);
  tree.write({
    "a.md": lines("later", "2", "3", "4", "5", "session"),
    "b.md": "later\n",
    "new.md": "later\n",
  });
  const undone = await undo(tree);
  assert.deepEqual(what(undone), ["taken out of a later edit a.md"]);
  assert.equal(text(tree, "a.md"), lines("later", "2", "3", "4", "5"));
  assert.deepEqual(undone.left, [
    { path: "b.md", because: "it was edited after the session's last save" },
    { path: "new.md", because: "it was edited after the session's last save" },
  ]);
  assert.deepEqual([text(tree, "b.md"), text(tree, "new.md")], ["later\n", "later\n"]);

  const later = await undo(tree, { evenLater: true, paths: ["b.md", "new.md"] });
  assert.deepEqual(what(later), ["put back b.md", "removed new.md"]);
  // And that can be taken back as well.
  await undo(tree, { to: later.before ?? "" });
  assert.deepEqual([text(tree, "b.md"), text(tree, "new.md")], ["later\n", "later\n"]);
});

test("edits of a later session stay, and are taken back by its own name", async () => {
  using tree = makeTree();
  tree.write({ "a.md": "a\n", "b.md": "b\n" });
  await save(tree, "start");
  tree.write({ "a.md": "first\n" });
  await save(tree, "end");
  await save(tree, "start", "sess_later");
  tree.write({ "b.md": "second\n" });
  await save(tree, "end", "sess_later");
  assert.deepEqual(what(await undo(tree)), ["put back a.md"]);
  assert.equal(text(tree, "b.md"), "second\n");
  assert.deepEqual(what(await undo(tree, { session: "sess_later" })), ["put back b.md"]);
});

test("only the named files and folders go back, and a dry run moves nothing", async () => {
  using tree = makeTree();
  tree.write({ "a.md": "1\n", "docs/b.md": "1\n", "docs/deep/c.md": "1\n", "docsx.md": "1\n" });
  await save(tree, "start");
  const all = ["a.md", "docs/b.md", "docs/deep/c.md", "docsx.md"];
  tree.write(Object.fromEntries(all.map((each) => [each, "2\n"])));
  await save(tree);
  const dry = await undo(tree, { dryRun: true });
  assert.deepEqual([dry.files.length, dry.before, text(tree, "a.md")], [4, null, "2\n"]);
  await undo(tree, { paths: ["b.md", "deep"], base: tree.at("docs") });
  assert.deepEqual(
    all.map((each) => text(tree, each)),
    ["2\n", "1\n", "1\n", "2\n"],
  );
  await undo(tree, { paths: ["docs", "a.md"] });
  assert.deepEqual(
    all.map((each) => text(tree, each)),
    ["1\n", "1\n", "1\n", "2\n"],
  );
  await assert.rejects(undo(tree, { paths: ["../elsewhere"] }), { code: "bad_input" });
  await assert.rejects(undo(tree, { to: "0123456" }), { code: "not_found" });
  await assert.rejects(undo(tree, { session: "sess_never" }), { code: "not_found" });
});

test("nothing is written through a link, whatever stands where a folder was", async () => {
  using tree = makeTree();
  const outside = join(tree.folder, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "a.md"), "outside\n");
  tree.write({ "docs/a.md": "1\n", "links/b.md": "b\n", "f.md": "f\n" });
  await save(tree, "start");
  // The session itself made a link of it: that goes, and the folder comes back.
  rmSync(tree.at("docs"), { recursive: true });
  symlinkSync(outside, tree.at("docs"));
  tree.write({ "links/b.md": "session\n", "f.md": "session\n" });
  await save(tree);
  // Somebody else did, later: nothing is put there.
  renameSync(tree.at("links"), join(tree.folder, "moved"));
  symlinkSync(outside, tree.at("links"));
  rmSync(tree.at("f.md"));
  symlinkSync(join(outside, "a.md"), tree.at("f.md"));
  const undone = await undo(tree, { evenLater: true });
  assert.equal(lstatSync(tree.at("docs")).isDirectory(), true);
  assert.equal(text(tree, "docs/a.md"), "1\n");
  assert.equal(lstatSync(tree.at("f.md")).isSymbolicLink(), false);
  assert.equal(text(tree, "f.md"), "f\n");
  assert.equal(readlinkSync(tree.at("links")), outside);
  assert.deepEqual(undone.left, [
    { path: "links/b.md", because: "a link or a file stands where its folder was" },
  ]);
  assert.equal(readFileSync(join(outside, "a.md"), "utf8"), "outside\n");
  assert.equal(existsSync(join(outside, "b.md")), false);
});

test("what stands in a file's way stays, and the file is named", async () => {
  using tree = makeTree();
  tree.write({ ".gitignore": "*.log\n", a: "1\n" });
  await save(tree, "start");
  tree.write({ a: null, "a/b": "2\n" });
  await save(tree);
  tree.write({ "a/ignored.log": "not seen by git\n" });
  const undone = await undo(tree);
  assert.deepEqual(what(undone), ["removed a/b"]);
  assert.equal(undone.left[0]?.path, "a");
  assert.match(undone.left[0]?.because ?? "", /folder that holds something/);
  assert.equal(text(tree, "a/ignored.log"), "not seen by git\n");
});

test("a hostile repository runs nothing when edits are taken back, and modes come back", async () => {
  using tree = makeTree();
  tree.write({ "a.md": "1\n", "run.sh": "echo\n", ".gitattributes": "* filter=x merge=x\n" });
  chmodSync(tree.at("run.sh"), 0o755);
  tree.commit();
  const sang = infest(tree.at(".git"), join(tree.folder, "canaries"));
  await save(tree, "start");
  tree.write({ "a.md": "2\n" });
  chmodSync(tree.at("run.sh"), 0o644);
  await save(tree);
  tree.write({ "a.md": "2\n3\n" });
  await undo(tree);
  assert.deepEqual(sang(), []);
  assert.equal(lstatSync(tree.at("run.sh")).mode & 0o777, 0o755);
});
