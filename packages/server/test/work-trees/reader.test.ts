import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readWorkTree } from "../../src/work-trees/read-work-tree.ts";
import { saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { undoSession } from "../../src/work-trees/undo.ts";
import { until } from "../support/until.ts";
import { makeTree, openTree, run, said, type TestTree } from "./tree.ts";

test("what is new, altered and gone since the last commit is reported, and nothing else", async () => {
  using tree = makeTree();
  tree.write({ "post.md": "one two\n", "gone.md": "x\n", "kept.md": "y\n", "run.sh": "echo\n" });
  symlinkSync("kept.md", tree.at("link"));
  const head = tree.commit("feat(blog): draft [task:T-1] [subtask:2/5]");
  tree.write({
    "post.md": "one two\nthree four five\n",
    "gone.md": null,
    "a/new.md": "hello there\n",
  });
  chmodSync(tree.at("run.sh"), 0o755);
  rmSync(tree.at("link"));
  symlinkSync("post.md", tree.at("link"));
  const report = await tree.read();
  assert.deepEqual(said(report), [
    "new a/new.md",
    "deleted gone.md",
    "modified link link",
    "modified post.md",
    "modified run.sh",
  ]);
  assert.equal(report.head, head);
  assert.equal(report.branch, "main");
  assert.equal(report.source, "disk");
  assert.deepEqual([report.more, report.leftovers, report.unread], [0, [], []]);
  const post = report.files.find(({ path }) => path === "post.md");
  assert.deepEqual(post, {
    ...{ path: "post.md", status: "modified", kind: "file", bytes: 24 },
    ...{ lines: 2, words: 5, newLines: 1, newWords: 3, excerpt: "three four five" },
  });
  const [commit] = report.commits;
  assert.equal(commit?.commit, head);
  assert.deepEqual(
    [commit?.task, commit?.subtask, commit?.author],
    ["T-1", { n: 2, of: 5 }, "ann"],
  );
});

test("git status says the same of a tree with ignored, forced and nested files", async () => {
  using tree = makeTree();
  tree.write({
    ".gitignore": "*.log\n/build/\n!keep.log\nnode_modules\n",
    "sub/.gitignore": "*.tmp\n!/that.tmp\n",
    "forced.log": "tracked though ignored\n",
    "build/tracked.js": "tracked in an ignored folder\n",
  });
  tree.git("add", "--force", ".");
  tree.git("commit", "--quiet", "-m", "begin");
  tree.write({
    ...{ "a.log": "1", "keep.log": "1", "forced.log": "altered", "build/b.js": "1" },
    ...{ "build/tracked.js": "altered", "sub/x.tmp": "1", "sub/that.tmp": "1", "sub/y": "1" },
    ...{ "node_modules/m/index.js": "1", "sub/node_modules/n.js": "1", "deep/er/file": "1" },
  });
  const status = tree.git("status", "--porcelain", "--untracked-files=all");
  const words: Readonly<Record<string, string>> = { M: "modified", "??": "new", D: "deleted" };
  const expected = status
    .split("\n")
    .map((line) => `${words[line.slice(0, 2).trim()]} ${line.slice(3)}`)
    .sort();
  assert.deepEqual([...said(await tree.read())].sort(), expected);
  assert.ok(expected.length >= 6, status);
});

test("a second look reads no file again, and one altered behind the same size and time is seen", async () => {
  using tree = makeTree();
  tree.write({ a: "1111\n", b: "2222\n" });
  tree.commit();
  // Older than the tick within which a file is not trusted.
  for (const name of ["a", "b"]) utimesSync(tree.at(name), new Date(1e12), new Date(1e12));
  assert.deepEqual(said(await tree.read()), []);
  tree.write({ a: "3333\n" });
  utimesSync(tree.at("a"), new Date(1e12), new Date(1e12));
  assert.deepEqual(said(await tree.read()), ["modified a"]);
  // What was written down of b is believed, since b is as it was then.
  await until("the files are older than the tick", async () => {
    await tree.read();
    // Before the heads: there, b is named from the first look on.
    const [seen] = readFileSync(knownFile(tree), "utf8").split('"heads"');
    return seen?.includes('"b"') === true ? true : null;
  });
  const known = readFileSync(knownFile(tree), "utf8");
  const id = /\["b",(?:[^\]]*),"([0-9a-f]{40})"\]/.exec(known)?.[1] ?? assert.fail(known);
  const [seen = "", heads = ""] = known.split('"heads"');
  writeFileSync(knownFile(tree), `${seen.replace(id, "0".repeat(40))}"heads"${heads}`);
  assert.deepEqual(said(await tree.read()), ["modified a", "modified b"]);
});

function knownFile({ home }: TestTree): string {
  const trees = join(home, "saved-trees");
  const [name = ""] = readdirSync(trees).filter((each) => each.endsWith(".git"));
  return join(trees, name, "lastgood/known.json");
}

test("a folder that is no repository, and one without a commit, are read all the same", async () => {
  using tree = makeTree({ repository: false });
  tree.write({ "a.md": "one\n" });
  const report = await tree.read();
  assert.deepEqual([report.head, report.branch, report.commits], [null, null, []]);
  assert.deepEqual(said(report), ["new a.md"]);
  tree.git("init", "--quiet", "--initial-branch=main");
  const begun = await tree.read();
  assert.deepEqual([begun.head, begun.branch], [null, "main"]);
  assert.deepEqual(said(begun), ["new a.md"]);
  await assert.rejects(readWorkTree(tree.at("a.md"), tree), { code: "not_found" });
  await assert.rejects(readWorkTree(tree.at("nowhere"), tree), { code: "not_found" });
});

test("a nested repository's files are held to its own last commit, and its .git is left out", async () => {
  using tree = makeTree();
  tree.write({ outer: "1\n", ".gitignore": "*.o\n" });
  tree.commit();
  const inner = openTree(tree.path, "vendor/inner");
  inner.write({ "lib.c": "int x;\n", "old.c": "1\n" });
  inner.commit();
  inner.write({ "lib.c": "int y;\n", "new.o": "not ignored in there\n", "old.c": null });
  assert.deepEqual(said(await tree.read()), [
    "modified vendor/inner/lib.c",
    "new vendor/inner/new.o",
    "deleted vendor/inner/old.c",
  ]);
  // As a submodule it is a commit of the outer tree, which is no file.
  tree.git("add", "vendor/inner");
  tree.git("commit", "--quiet", "-m", "submodule");
  assert.equal((await tree.read()).files.length, 3);
});

test("linked work trees, detached heads and packed refs are followed", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  const head = tree.commit();
  tree.git("worktree", "add", "--quiet", "-b", "side", `${tree.folder}/side`);
  const side = openTree(tree.folder, "side", { repository: false });
  side.write({ b: "2\n" });
  const report = await side.read();
  assert.deepEqual([report.branch, report.head, said(report)], ["side", head, ["new b"]]);
  tree.git("pack-refs", "--all");
  tree.git("checkout", "--quiet", "--detach");
  const detached = await tree.read();
  assert.deepEqual([detached.branch, detached.head, said(detached)], [null, head, []]);
  assert.equal((await side.read()).head, head);
});

test("a shallow clone of a long history is read with no more than is shown", async () => {
  using tree = makeTree();
  for (let n = 0; n < 40; n++) {
    tree.write({ a: `${n}\n` });
    tree.commit(`commit ${n}`);
  }
  run(tree.folder, "clone", "--quiet", "--depth=3", `file://${tree.path}`, "shallow");
  const shallow = openTree(tree.folder, "shallow", { repository: false });
  assert.equal((await shallow.read()).commits.length, 3);
  const report = await tree.read();
  assert.equal(report.commits.length, 20);
  assert.equal(report.commits[0]?.summary, "commit 39");
  const next = tree.commit("commit 40");
  assert.deepEqual(
    (await tree.read()).commits.slice(0, 2).map(({ commit }) => commit),
    [next, report.head],
  );
});

test("what a killed git left behind is named", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  const head = tree.commit();
  writeFileSync(tree.at(".git/index.lock"), "");
  writeFileSync(tree.at(".git/refs/heads/main.lock"), "");
  writeFileSync(tree.at(".git/MERGE_HEAD"), `${head}\n`);
  mkdirSync(tree.at(".git/rebase-merge"));
  assert.deepEqual((await tree.read()).leftovers, [
    "index.lock",
    "refs/heads/main.lock",
    "a merge under way (MERGE_HEAD)",
    "a rebase under way (rebase-merge)",
  ]);
});

test("files that git only writes otherwise than it keeps them are not uncommitted, nor taken back", async () => {
  using tree = makeTree();
  tree.write({
    "picture.bin": "large and elsewhere",
    "windows.txt": "one\ntwo\n",
    "plain.txt": "1\n",
  });
  const digest = createHash("sha256").update("large and elsewhere").digest("hex");
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize 19\n`;
  tree.write({ "picture.bin": pointer });
  tree.commit();
  const options = { home: tree.home, session: "sess_1" };
  tree.write({
    "picture.bin": "large and elsewhere",
    "windows.txt": "one\r\ntwo\r\n",
    "plain.txt": "1\r\n2\n",
  });
  const report = await tree.read();
  assert.deepEqual([said(report), report.more], [["modified plain.txt"], 0]);
  assert.deepEqual(said(await tree.read()), ["modified plain.txt"]);

  // The session commits the pointer of another content: what it wrote is what is committed.
  await saveWorkTree(tree.path, { ...options, kind: "start" });
  const next = createHash("sha256").update("another").digest("hex");
  tree.write({
    "picture.bin": `version https://git-lfs.github.com/spec/v1\noid sha256:${next}\nsize 7\n`,
  });
  tree.git("add", "picture.bin");
  tree.git("commit", "--quiet", "-m", "another picture");
  tree.write({ "picture.bin": "another" });
  await saveWorkTree(tree.path, options);
  assert.deepEqual((await undoSession(options)).files, []);
  assert.equal(readFileSync(tree.at("picture.bin"), "utf8"), "another");
});

test("at most 500 files are listed and the others counted, within what a request may weigh", async () => {
  using tree = makeTree();
  const text = "\u0001é日本".repeat(600);
  for (let n = 0; n < 520; n++) tree.write({ [`${String(n).padStart(3, "0")}.md`]: text });
  const report = await tree.read();
  assert.equal(report.files.length + report.more, 520);
  assert.equal(report.files.length, 500);
  assert.ok(Buffer.byteLength(JSON.stringify(report)) < 1_000_000);
  assert.ok((report.files[0]?.excerpt ?? "").length >= 80);
});
