/**
 * A repository whose configuration, attributes, hooks and contents belong to an attacker: all that it
 * names as a command leaves a file behind when it is run. Nothing of it may ever be run.
 */
import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { staysInside } from "../../src/git/checkout.ts";
import { parseRemote, requireBranch } from "../../src/git/remote.ts";
import { infest } from "./infest.ts";
import { type CodeWorld, run, signal, startCodeWorld } from "./world.ts";

/** A remote with an alternate, so that `core.alternateRefsCommand` would be asked. */
function alternate(world: CodeWorld, gitDirectory: string): void {
  const other = join(world.folder, "alternate.git");
  run(world.folder, "clone", "--quiet", "--bare", world.origin.clone, other);
  appendFileSync(join(gitDirectory, "objects/info/alternates"), `${join(other, "objects")}\n`);
}

for (const scheme of ["", "file://"]) {
  test(`a hostile ${scheme || "local path"} remote runs nothing: fetch, plan, push, verify, checkout`, async () => {
    await using world = await startCodeWorld((url) => ({
      repositories: { api: { url: `${scheme}${url}` } },
    }));
    const { origin, code } = world;
    origin.commit({ a: "1\n", ".gitattributes": "* filter=x diff=x merge=x ident\n" }, "begin");
    const guilty = origin.commit({ a: "2\n" }, "bad");
    origin.push();
    alternate(world, origin.url);
    const sang = infest(origin.url, join(world.folder, "canaries"));

    const step = world.stepOf(await world.plan([guilty]));
    await world.apply(step);
    assert.equal((await code.layer.verify(step, signal)).ok, true);
    const mirror = await code.mirrors.of("api");
    const out = join(world.folder, "out");
    await mirror.checkout(step.action.to, out, signal);
    assert.equal(await readFile(join(out, "a"), "utf8"), "1\n");
    assert.deepEqual(sang(), []);

    // The same push as git does it by default: the canaries do sing.
    origin.git("pull", "--quiet", "origin", "main");
    origin.commit({ b: "b\n" }, "by hand");
    origin.push();
    assert.ok(sang().includes("hook-pre-receive.sang"), sang().join());
    assert.ok(sang().includes("alternates.sang"), sang().join());
  });
}

test("a hostile work tree runs nothing, and its branch is not written to", async () => {
  await using world = await startCodeWorld((url) => ({
    repositories: {
      api: { url: url.replace(/api\.git$/, "api-clone"), deliver: "branch" },
    },
  }));
  const { origin } = world;
  origin.commit({ a: "1\n", ".gitattributes": "* filter=x diff=x\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  const sang = infest(join(origin.clone, ".git"), join(world.folder, "canaries"));
  const step = world.stepOf(await world.plan([guilty]));
  await world.apply(step);
  await world.code.layer.verify(step, signal);
  assert.deepEqual(sang(), []);
  assert.equal(await readFile(join(origin.clone, "a"), "utf8"), "2\n");
  try {
    origin.git("status");
  } catch {
    // The hostile process filter does not speak the protocol; that it was started is the point.
  }
  assert.ok(sang().length > 0, "git status by default does run it");
});

test("a partial clone that would fetch what it lacks by a command of its own runs nothing", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  const sang = infest(origin.url, join(world.folder, "canaries"));
  appendFileSync(
    join(origin.url, "config"),
    "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n",
  );
  const blob = run(origin.clone, "rev-parse", "HEAD:a");
  const { rmSync } = await import("node:fs");
  rmSync(join(origin.url, "objects", blob.slice(0, 2), blob.slice(2)));
  await assert.rejects(world.look(), { code: "layer_unreachable" });
  assert.deepEqual(sang(), []);
});

test("hostile contents are refused or stay plain files", async () => {
  await using world = await startCodeWorld();
  const { origin, code } = world;
  const { symlinkSync } = await import("node:fs");
  origin.commit({ a: "1\n", "d/b": "b\n" }, "begin");
  const clone = (path: string) => join(origin.clone, path);
  symlinkSync("/etc/passwd", clone("absolute"));
  symlinkSync("../../outside", clone("d/out"));
  symlinkSync("../a", clone("d/inside"));
  symlinkSync(".", clone("self"));
  symlinkSync("self/../../outside", clone("through"));
  const commit = origin.commit({ "-rf": "dash\n", '"quoted"\n': "odd\n", run: "x\n" }, "--exec=sh");
  origin.push();
  const changes = await world.look();
  assert.equal(changes.at(-1)?.reason, "--exec=sh");
  const out = join(world.folder, "out");
  const mirror = await code.mirrors.of("api");
  await mirror.checkout(commit, out, signal);
  const isLink = async (path: string) => (await lstat(join(out, path))).isSymbolicLink();
  assert.equal(await isLink("absolute"), false);
  assert.equal(await readFile(join(out, "absolute"), "utf8"), "/etc/passwd");
  assert.equal(await isLink("d/out"), false);
  assert.equal(await isLink("through"), false);
  assert.equal(await readlink(join(out, "d/inside")), "../a");
  assert.equal(await readlink(join(out, "self")), ".");
  assert.ok((await readdir(out)).includes('"quoted"\n'));
  assert.equal(await mirror.readFile(commit, "absolute", 1_000), null);
  assert.equal(await mirror.readFile(commit, "../a", 1_000), null);
  assert.equal((await mirror.readFile(commit, "-rf", 1_000))?.toString(), "dash\n");

  await mkdir(join(world.folder, "full"));
  writeFileSync(join(world.folder, "full/file"), "mine");
  await assert.rejects(mirror.checkout(commit, join(world.folder, "full"), signal), {
    code: "state_forbids",
  });
});

test("a submodule that names a command is refused at the door", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const sang = join(world.folder, "sang");
  origin.commit(
    {
      ".gitmodules": `[submodule "x"]\n\tpath = x\n\turl = ext::touch ${sang}\n\tupdate = !touch ${sang}\n`,
    },
    "submodule",
  );
  origin.push();
  await assert.rejects(world.look(), {
    code: "layer_unreachable",
    message: /gitmodules|submodule/i,
  });
});

test("addresses that git would run, and secrets in them, are refused", () => {
  for (const url of [
    "ext::sh -c id",
    "-u./payload",
    "--upload-pack=touch x",
    "fd::17",
    "ftp://host/x",
    "https://user:secret@host/x.git",
    "a\nb",
  ]) {
    assert.throws(() => parseRemote(url, "/base"), { code: "bad_configuration" }, url);
  }
  const secret = "https://user:hunter2@host/x.git";
  assert.throws(
    () => parseRemote(secret, "/base"),
    (error: Error) => !error.message.includes("hunter2"),
  );
  assert.equal(parseRemote("./x:y", "/base").kind, "local");
  assert.equal(parseRemote("host:x.git", "/base").kind, "network");
});

test("hostile branch names are refused", () => {
  for (const name of [
    ...["", "-x", "--exec", "a..b", "a b", "a~1", "a^", "a:b", "a\\b", "a//b", "a/", "a.", "a/.b"],
    ...["a.lock", "a.lock/b", "a\0b", "a\nb", "@{u}", "refs?", "x*", "x[", "é", "a".repeat(300)],
  ]) {
    assert.throws(() => requireBranch(name), { code: "bad_input" }, JSON.stringify(name));
  }
  for (const name of ["main", "release/1.2", "lastgood/revert-0123abc", "a-b_c.d"]) {
    assert.equal(requireBranch(name), name);
  }
});

test("a link stays inside only if it goes up first, and never above the folder", () => {
  for (const [path, target] of [
    ["a", "b"],
    ["d/a", "../b"],
    ["d/e/a", "../../b/c"],
    ["a", "./b"],
    ["a", "."],
  ] as const) {
    assert.equal(staysInside(path, target), true, `${path} -> ${target}`);
  }
  for (const [path, target] of [
    ["a", ".."],
    ["a", "/etc"],
    ["a", "b/../../c"],
    ["d/a", "../../b"],
    ["a", "b/../c"],
    ["a", ""],
  ] as const) {
    assert.equal(staysInside(path, target), false, `${path} -> ${target}`);
  }
});
