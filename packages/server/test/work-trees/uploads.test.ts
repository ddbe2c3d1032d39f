import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Client, createClient, Fault } from "@lastgood/sdk";
import { pino } from "pino";
import { bundleBytesMax, createBundle, parseBundle } from "../../src/work-trees/bundle.ts";
import { openKeep } from "../../src/work-trees/keep.ts";
import { restoreWorkTree } from "../../src/work-trees/restore.ts";
import { saveOnce } from "../../src/work-trees/save-once.ts";
import { saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { createUploader } from "../../src/work-trees/upload.ts";
import { createWorkTrees } from "../../src/work-trees/work-trees.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { readTree } from "./random-tree.ts";
import { makeTree, openTree, run, said, type TestTree } from "./tree.ts";

/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();
const codeOf = (code: string) => (error: unknown) => error instanceof Fault && error.code === code;

async function agentOf(
  server: TestServer,
  agent = "marketing",
): Promise<{ client: Client; session: string }> {
  const client = await server.clientAs("agent", agent);
  const { record } = await client.openSession({ leaseMs: 600_000 });
  return { client, session: record.session_id };
}

const inHome = (server: TestServer, agent: string) =>
  join(server.folder, "home/work-trees", `${agent}.git`);

function draft(tree: TestTree): void {
  tree.write({ "post.md": "one two\n", "kept.md": "k\n" });
  tree.commit("feat(blog): draft [task:T-1] [subtask:1/3]");
  tree.write({ "post.md": "one two\nthree four\n", "pictures/a.svg": "<svg/>\n" });
}

test("what was saved is answered when the disk is gone, and restored elsewhere as it was", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  const nothing = await client.savedWorkTree(session);
  assert.deepEqual([nothing.save, nothing.report, nothing.holds], [null, null, []]);
  const { save } = await saveOnce(tree.path, { home: tree.home, session, kind: "start", client });
  rmSync(tree.path, { recursive: true });
  rmSync(tree.home, { recursive: true });

  const saved = await client.savedWorkTree(session);
  assert.deepEqual([saved.save, saved.agent, saved.holds], [save.id, "marketing", [save.id]]);
  assert.ok(saved.report !== null);
  assert.equal(saved.report.source, "saved");
  assert.deepEqual(said(saved.report), ["new pictures/a.svg", "modified post.md"]);
  assert.equal(saved.report.files[1]?.newWords, 2);

  const folder = join(tree.folder, "elsewhere");
  const restored = await restoreWorkTree({ home: tree.home, session, folder, client });
  assert.equal(restored.from, "the server");
  assert.equal(readFileSync(join(folder, "post.md"), "utf8"), "one two\nthree four\n");
  assert.deepEqual(readdirSync(folder).sort(), ["kept.md", "pictures", "post.md"]);
  // And by git alone, as the documents say.
  writeFileSync(join(tree.folder, "saved.bundle"), await client.workTreeBundle(session));
  run(tree.folder, "init", "--quiet", "--bare", "saved.git");
  const bare = join(tree.folder, "saved.git");
  run(bare, "fetch", "--quiet", "../saved.bundle", "refs/lastgood/save");
  assert.equal(run(bare, "show", "FETCH_HEAD:post.md"), "one two\nthree four");
  assert.deepEqual(
    readdirSync(join(tree.home, "saved-trees")).filter((name) => name.startsWith("restoring")),
    [],
  );
});

test("a second save sends only what the server lacks, also in the next session", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  const noise = Buffer.from(
    Array.from({ length: 300_000 }, (_, index) => ((index * 7919) % 251) ^ (index >> 3)),
  );
  tree.write({ "noise.bin": noise });
  const sizes: number[] = [];
  const counted = {
    savedWorkTree: client.savedWorkTree,
    saveWorkTree: (id: string, bundle: Uint8Array) => {
      sizes.push(bundle.length);
      return client.saveWorkTree(id, bundle);
    },
  };
  await saveOnce(tree.path, { home: tree.home, session, kind: "start", client: counted });
  tree.write({ "post.md": "one two\nthree four five\n" });
  await saveOnce(tree.path, { home: tree.home, session, client: counted });
  await client.endSession(session, { reason: "completed" });
  const next = (await client.openSession({})).record.session_id;
  await saveOnce(tree.path, { home: tree.home, session: next, kind: "start", client: counted });
  const [first = 0, second = 0, third = 0] = sizes;
  assert.ok(second < 4_000 && third < 4_000 && second < first, sizes.join());
  run(inHome(server, "marketing"), "fsck", "--full", "--strict");
  assert.equal((await client.savedWorkTree(next)).holds.length, 2);
});

test("a server that has forgotten what it held is sent all of it again", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  const look = await saveWorkTree(tree.path, { home: tree.home, session, kind: "start" });
  const uploader = createUploader(look.keep, session, client);
  await uploader.upload(look.save, await look.report(), signal);
  rmSync(inHome(server, "marketing"), { recursive: true });
  await server.lastgood.db`delete from work_trees`;
  tree.write({ "post.md": "anew\n" });
  const again = await saveWorkTree(tree.path, { home: tree.home, session });
  const saved = await uploader.upload(again.save, await again.report(), signal);
  assert.equal(saved.save, again.save.id);
  run(inHome(server, "marketing"), "fsck", "--full", "--strict");
});

test("only the session itself saves, only while it lives, and only its agent gets the files", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  const other = await server.clientAs("agent", "frontend");
  using tree = makeTree();
  draft(tree);
  const options = { home: tree.home, session };
  await assert.rejects(saveOnce(tree.path, { ...options, client: other }), codeOf("not_yours"));
  await saveOnce(tree.path, { ...options, client });
  await assert.rejects(other.workTreeBundle(session), codeOf("not_yours"));
  const viewer = await server.clientAs("viewer");
  await assert.rejects(viewer.workTreeBundle(session), codeOf("forbidden"));
  assert.equal((await viewer.savedWorkTree(session)).report?.source, "saved");
  assert.ok((await (await server.clientAs("operator")).workTreeBundle(session)).length > 100);

  await client.openSession({});
  tree.write({ "late.md": "of a session that is over\n" });
  await assert.rejects(saveOnce(tree.path, { ...options, client }), codeOf("fenced"));
  assert.deepEqual(said((await client.savedWorkTree(session)).report ?? assert.fail()).length, 2);
  await assert.rejects(client.savedWorkTree("sess_never"), codeOf("not_found"));
  await assert.rejects(client.workTreeBundle("sess_never"), codeOf("not_found"));
});

test("what a session left is saved after its death was told, until another begins or it is long ago", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  await client.endSession(session, { reason: "crashed", detail: "exit code 3" });
  const options = { home: tree.home, session, client };
  await saveOnce(tree.path, options);
  tree.write({ "more.md": "more\n" });
  const { db } = server.lastgood;
  await db`update sessions set ended_at = ended_at - interval '6 minutes' where id = ${session}`;
  await assert.rejects(saveOnce(tree.path, options), codeOf("fenced"));
  await db`update sessions set ended_at = ended_at + interval '6 minutes' where id = ${session}`;
  await saveOnce(tree.path, options);
  await client.openSession({});
  tree.write({ "more.md": "more and more\n" });
  await assert.rejects(saveOnce(tree.path, options), codeOf("fenced"));
  const report = (await client.savedWorkTree(session)).report ?? assert.fail();
  assert.ok(said(report).includes("new more.md"));
});

test("what is no sound bundle is refused, and leaves nothing behind", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  const look = await saveWorkTree(tree.path, { home: tree.home, session, kind: "start" });
  const { git, directory } = look.keep;
  const blob = async (text: string) =>
    await git.text(["hash-object", "-w", "--stdin"], { directory, stdin: text });
  const good = await blob(JSON.stringify(await look.report()));
  const bundle = async (save: string, report: string, standsOn: readonly string[] = []) =>
    await createBundle({ git, directory }, { save, report, standsOn }, signal);
  const whole = await bundle(look.save.id, good);
  const cut = whole.slice(0, whole.length - 30);
  const { packAt } = parseBundle(Buffer.from(whole));
  const headed = (lines: readonly string[]) =>
    new Uint8Array(Buffer.concat([Buffer.from(`${lines.join("\n")}\n\n`), whole.slice(packAt)]));
  const refs = [`${look.save.id} refs/lastgood/save`, `${good} refs/lastgood/report`];
  const unheld = "1".repeat(40);

  // A save of another session, and one whose files are missing.
  const other = await saveWorkTree(tree.path, {
    home: tree.home,
    session: "sess_other",
    kind: "start",
  });
  tree.write({ "more.md": "more\n" });
  const more = await saveWorkTree(tree.path, { home: tree.home, session });
  const gap = await createBundle(
    { git, directory },
    { save: more.save.id, report: good, standsOn: [look.save.id] },
    signal,
  );
  const gapAt = parseBundle(Buffer.from(gap)).packAt;
  const hole = Buffer.concat([
    Buffer.from(`# v2 git bundle\n${more.save.id} refs/lastgood/save\n${refs[1]}\n\n`),
    gap.slice(gapAt),
  ]);

  const rows: readonly (readonly [string, Uint8Array<ArrayBuffer>, string])[] = [
    ["nothing", new Uint8Array(0), "bad_input"],
    ["JSON", new Uint8Array(Buffer.from("{}")), "bad_input"],
    ["a pack that is cut off", cut, "bad_input"],
    [
      "a bundle of other refs",
      headed(["# v2 git bundle", `${look.save.id} refs/heads/main`]),
      "bad_input",
    ],
    [
      "a bundle of three refs",
      headed(["# v2 git bundle", ...refs, `${good} refs/heads/x`]),
      "bad_input",
    ],
    [
      "one that stands on what is not held",
      headed(["# v2 git bundle", `-${unheld}`, ...refs]),
      "version_conflict",
    ],
    ["a save of another session", await bundle(other.save.id, good), "bad_input"],
    ["a blob as a save", await bundle(good, good), "bad_input"],
    ["the agent's own commit as a save", await bundle(look.save.head ?? "", good), "bad_input"],
    ["a report that is no JSON", await bundle(look.save.id, await blob("no")), "bad_input"],
    ["a report of another form", await bundle(look.save.id, await blob('{"path":1}')), "bad_input"],
    ["a save whose files are missing", new Uint8Array(hole), "bad_input"],
  ];
  for (const [name, bytes, code] of rows) {
    await assert.rejects(client.saveWorkTree(session, bytes), codeOf(code), name);
  }
  assert.deepEqual(run(inHome(server, "marketing"), "for-each-ref"), "");
  assert.deepEqual(
    readdirSync(inHome(server, "marketing")).filter((each) => each.startsWith("incoming")),
    [],
  );
  assert.equal((await client.savedWorkTree(session)).save, null);
  const large = new Uint8Array(bundleBytesMax + 1);
  await assert.rejects(client.saveWorkTree(session, large), codeOf("too_large"));
  assert.equal((await client.saveWorkTree(session, whole)).save, look.save.id);
});

test("what an agent may have in its tree is taken, though git would warn of it", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree({ repository: false });
  tree.write({
    ".gitmodules": '[submodule "../x"]\n\tpath = -x\n\turl = ext::sh\n\tupdate = !sh\n',
    '"quoted\n"/\\': "odd\n",
    empty: "",
  });
  await saveOnce(tree.path, { home: tree.home, session, client });
  const folder = join(tree.folder, "elsewhere");
  await restoreWorkTree({ home: join(tree.folder, "home2"), session, folder, client });
  assert.equal(readFileSync(join(folder, '"quoted\n"/\\'), "utf8"), "odd\n");
});

test("a tree that is too large for one request is sent in parts, and is whole in the end", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree({ repository: false });
  for (let n = 0; n < 20; n++) tree.write({ [`d${n % 3}/${n}.bin`]: randomBytes(20_000) });
  const { save, keep, report } = await saveWorkTree(tree.path, { ...tree, session, kind: "start" });
  const sizes: number[] = [];
  const counted = {
    savedWorkTree: client.savedWorkTree,
    saveWorkTree: (id: string, bundle: Uint8Array) => {
      sizes.push(bundle.length);
      return client.saveWorkTree(id, bundle);
    },
  };
  const bytesMax = 150_000;
  await createUploader(keep, session, counted, bytesMax).upload(save, await report(), signal);
  assert.ok(sizes.length >= 4 && sizes.every((size) => size <= bytesMax), sizes.join());
  const folder = join(tree.folder, "elsewhere");
  await restoreWorkTree({ home: join(tree.folder, "home2"), session, folder, client });
  assert.deepEqual(readTree(folder), readTree(tree.path));
});

test("old sessions are forgotten with their files; a living one's never", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  draft(tree);
  await saveOnce(tree.path, { home: tree.home, session, client, kind: "start" });
  tree.write({ "only-then.bin": "x".repeat(50_000) });
  await saveOnce(tree.path, { home: tree.home, session, client });
  await client.endSession(session, { reason: "completed" });
  const next = (await client.openSession({ leaseMs: 600_000 })).record.session_id;
  tree.write({ "only-then.bin": null });
  await saveOnce(tree.path, { home: tree.home, session: next, client, kind: "start" });
  const { db } = server.lastgood;
  await db`update work_trees set saved_at = saved_at - interval '15 days'`;
  const trees = await createWorkTrees({
    db,
    world: { now: () => new Date(), randomBytes: (length) => new Uint8Array(length) },
    log: pino({ level: "silent" }),
    home: join(server.folder, "home"),
  });
  await trees.forget(signal);
  await trees.stop();
  const held = await client.savedWorkTree(next);
  assert.equal((await client.savedWorkTree(session)).save, null);
  assert.deepEqual(held.holds, [held.save]);
  const repository = inHome(server, "marketing");
  assert.equal(
    run(repository, "for-each-ref", "--format=%(refname)"),
    `refs/lastgood/saves/${next}`,
  );
  const objects = run(repository, "cat-file", "--batch-all-objects", "--batch-check");
  assert.ok(!objects.includes("blob 50000"), "what only the forgotten one had is gone");
  run(repository, "fsck", "--full");
});

test("commits that no remote had come back with their ids, and the branch stands on them", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  tree.write({ "post.md": "one\n", "other.md": "x\n" });
  tree.commit("begin");
  run(tree.folder, "clone", "--quiet", "--bare", tree.path, "origin.git");
  tree.git("remote", "add", "origin", join(tree.folder, "origin.git"));
  tree.git("fetch", "--quiet", "origin");
  tree.write({ "post.md": "one\ntwo\n" });
  const second = tree.commit("[task:T-1] [subtask:2/3] two");
  tree.write({ "new.md": "n\n" });
  const third = tree.commit("three");
  tree.write({ "post.md": "one\ntwo\nthree, not committed\n", "other.md": null });
  await saveOnce(tree.path, { home: tree.home, session, client });
  const before = tree.git("status", "--porcelain");
  rmSync(tree.path, { recursive: true });
  rmSync(tree.home, { recursive: true });

  run(tree.folder, "clone", "--quiet", "origin.git", "clone");
  const clone = openTree(tree.folder, "clone", { repository: false });
  const restored = await restoreWorkTree({ home: clone.home, session, folder: clone.path, client });
  assert.deepEqual(restored.commits, {
    kind: "moved",
    branch: "main",
    ids: [second, third].sort(),
  });
  assert.deepEqual(restored.left, []);
  assert.equal(clone.git("rev-parse", "HEAD", "HEAD~1"), `${third}\n${second}`);
  assert.equal(clone.git("status", "--porcelain"), before);
  assert.equal(readFileSync(clone.at("post.md"), "utf8"), "one\ntwo\nthree, not committed\n");
  assert.equal(existsSync(clone.at("other.md")), false);
  clone.git("fsck");
});

test("a clone that went on keeps what it has, and gets what does not contradict", async () => {
  await using server = await startServer();
  const { client, session } = await agentOf(server);
  using tree = makeTree();
  const lines = (...all: readonly string[]) => all.map((each) => `${each}\n`).join("");
  tree.write({ "a.md": lines("1", "2", "3", "4", "5"), "b.md": "b\n", "c.md": "c\n" });
  tree.commit("begin");
  run(tree.folder, "clone", "--quiet", tree.path, "clone");
  tree.write({
    "a.md": lines("1", "2", "3", "4", "5 of the session"),
    "b.md": "session\n",
    "n.md": "n\n",
  });
  await saveOnce(tree.path, { home: tree.home, session, client });
  rmSync(tree.home, { recursive: true });
  const clone = openTree(tree.folder, "clone", { repository: false });
  clone.write({
    "a.md": lines("1 of somebody else", "2", "3", "4", "5"),
    "b.md": "else\n",
    "c.md": "cc\n",
  });
  clone.commit("went on");
  clone.write({ "n.md": "mine\n" });
  const restored = await restoreWorkTree({ home: clone.home, session, folder: clone.path, client });
  assert.equal(
    readFileSync(clone.at("a.md"), "utf8"),
    lines("1 of somebody else", "2", "3", "4", "5 of the session"),
  );
  assert.deepEqual(
    restored.left.map(({ path }) => path),
    ["b.md", "n.md"],
  );
  assert.equal(readFileSync(clone.at("b.md"), "utf8"), "else\n");
  assert.equal(readFileSync(clone.at("c.md"), "utf8"), "cc\n");
  assert.equal(readFileSync(clone.at("n.md"), "utf8"), "mine\n");
});

test("a token without a session of its own may ask, and an address that is none is told so", async () => {
  await using server = await startServer();
  const { session } = await agentOf(server);
  const nobody = createClient({ url: server.lastgood.url, token: "lg_agent_no" });
  await assert.rejects(nobody.saveWorkTree(session, new Uint8Array(10)), codeOf("unauthenticated"));
  const keep = await openKeep(join(server.folder, "elsewhere"), "/nowhere", "sha1");
  assert.match(keep.directory, /nowhere-[0-9a-f]{16}\.git$/);
});
