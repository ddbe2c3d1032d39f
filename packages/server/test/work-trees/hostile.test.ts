/**
 * Work trees that belong to an attacker. All that they name as a command leaves a file behind when it is run,
 * all that lies outside of them holds a secret: nothing may be run, and nothing of outside read.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openKeep } from "../../src/work-trees/keep.ts";
import { readWorkTree } from "../../src/work-trees/read-work-tree.ts";
import { saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { infest } from "../code/infest.ts";
import { makeTree, openTree, run, said, type TestTree } from "./tree.ts";

interface Hostility {
  readonly name: string;
  make(tree: TestTree, outside: string): void | Promise<void>;
  /** What the report must say of it, somewhere. */
  readonly says?: RegExp;
  /** What it must not list. */
  readonly lists?: readonly string[];
}

const secret = "the-secret-of-outside";
const pipe = (path: string) => execFileSync("mkfifo", [path]);
const bytes = (hex: string) => Buffer.from(hex, "hex");

const hostilities: readonly Hostility[] = [
  {
    name: "a configuration, hooks, a monitor and filters that are commands",
    make(tree) {
      tree.write({ ".gitattributes": "* filter=x diff=x merge=x ident text=auto eol=crlf\n" });
    },
  },
  {
    name: "a configuration that is included from a pipe",
    make(tree) {
      pipe(join(tree.folder, "config-pipe"));
      appendFileSync(tree.at(".git/config"), `[include]\n\tpath = ${tree.folder}/config-pipe\n`);
    },
    says: /its commits: .*(did not end|signal)/,
  },
  {
    name: "a HEAD that is a pipe",
    make: (tree) => replace(tree, ".git/HEAD", pipe),
    says: /HEAD is neither/,
  },
  {
    name: "refs that are a pipe",
    make: (tree) => pipe(tree.at(".git/packed-refs")),
    says: /its packed-refs is no file/,
  },
  {
    name: "an exclude file that is a pipe",
    make: (tree) => replace(tree, ".git/info/exclude", pipe),
  },
  {
    name: "a .gitignore that is a pipe",
    make: (tree) => pipe(tree.at(".gitignore")),
    lists: ["new other .gitignore"],
  },
  {
    name: "a .gitignore that is a link to outside",
    make: (tree, outside) => symlinkSync(join(outside, "everything"), tree.at(".gitignore")),
    lists: ["new link .gitignore"],
  },
  {
    name: "a .git that is a pipe",
    make: (tree) => replace(tree, ".git", pipe),
    says: /its \.git is no folder/,
  },
  {
    name: "a .git that is a link to another repository",
    make: (tree, outside) =>
      replace(tree, ".git", (path) => symlinkSync(join(outside, ".git"), path)),
    says: /its \.git is a link/,
  },
  {
    name: "objects that are a link to another repository's",
    make: (tree, outside) =>
      replace(tree, ".git/objects", (path) => symlinkSync(join(outside, ".git/objects"), path)),
    says: /no folder objects of its own/,
  },
  {
    name: "a .git within .git that leads elsewhere",
    make: (tree, outside) => writeFileSync(tree.at(".git/.git"), `gitdir: ${outside}/.git\n`),
    says: /its \.git holds a \.git/,
  },
  {
    name: "a branch that is a link to a file outside",
    make: (tree, outside) =>
      replace(tree, ".git/refs/heads/main", (path) => symlinkSync(join(outside, "id"), path)),
  },
  {
    name: "a HEAD that names a ref outside of refs",
    make: (tree, outside) =>
      writeFileSync(tree.at(".git/HEAD"), `ref: refs/heads/../../../../${outside}/id\n`),
    says: /HEAD is neither/,
  },
  {
    name: "links to files and folders outside",
    make(tree, outside) {
      symlinkSync(join(outside, "secret"), tree.at("file-link"));
      symlinkSync(outside, tree.at("folder-link"));
      symlinkSync("..", tree.at("up"));
      symlinkSync("folder-link/secret", tree.at("through"));
    },
    lists: ["new link file-link", "new link folder-link", "new link through", "new link up"],
  },
  {
    name: "a tracked folder that became a link to outside",
    make(tree, outside) {
      replace(tree, "docs", (path) => symlinkSync(outside, path));
    },
    lists: ["new link docs", "deleted docs/secret"],
  },
  {
    name: "pipes and sockets",
    async make(tree) {
      pipe(tree.at("fifo"));
      await new Promise<void>((resolve) => {
        const server = createServer().listen(tree.at("socket"), () => {
          // Closed without its file: it stays as a process that died leaves it.
          renameSync(tree.at("socket"), tree.at("dead-socket"));
          server.close(() => resolve());
        });
      });
    },
    lists: ["new other dead-socket", "new other fifo"],
  },
  {
    name: "names with quotes, lines, dashes, and that are no UTF-8",
    make(tree) {
      for (const name of [
        '"quoted"',
        "new\nline",
        "-rf",
        "--exec=sh",
        " spaced ",
        "tab\t",
        "\\back",
        "*",
      ]) {
        writeFileSync(tree.at(name), "odd\n");
      }
      writeFileSync(Buffer.concat([Buffer.from(`${tree.path}/`), bytes("ff61fe")]), "odd\n");
    },
    lists: ['new "quoted"', "new new\nline", "new -rf", "new \\xffa\\xfe"],
  },
  {
    name: "names that some systems take for .git",
    make(tree) {
      tree.write({ ".GIT/config": "x", "GIT~1/config": "x", "d/.Git ": "x", "d/.git‌/hooks": "x" });
    },
    says: /git cannot hold/,
  },
  {
    name: "a file of a gigabyte",
    make(tree) {
      writeFileSync(tree.at("huge"), "");
      truncateSync(tree.at("huge"), 1_073_741_824);
    },
    says: /huge: it has 1073741824 bytes/,
    lists: ["new huge"],
  },
  {
    name: "folders deeper than any path",
    make(tree) {
      mkdirSync(tree.at(Array(150).fill("d").join("/")), { recursive: true });
      writeFileSync(tree.at("last"), "x");
    },
    says: /lies deeper than/,
    lists: ["new last"],
  },
  {
    name: "patterns that would take forever",
    make: (tree) =>
      tree.write({
        ".gitignore": `${"**/*a*".repeat(150)}b\n`.repeat(3_000),
        [`${"a".repeat(200)}/x`]: "1",
      }),
    says: /cost too much|too long/,
  },
  {
    name: "a repository that would fetch what it lacks by a command",
    make(tree) {
      const extension =
        "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n";
      appendFileSync(tree.at(".git/config"), extension);
      const blob = run(tree.path, "rev-parse", "HEAD:docs/secret");
      rmSync(tree.at(`.git/objects/${blob.slice(0, 2)}/${blob.slice(2)}`));
    },
    says: /its commits: /,
  },
];

function replace(tree: TestTree, path: string, make: (path: string) => void): void {
  rmSync(tree.at(path), { recursive: true, force: true });
  make(tree.at(path));
}

for (const { name, make, says, lists = [] } of hostilities) {
  test(`nothing is run and nothing leaks: ${name}`, { timeout: 170_000 }, async () => {
    using tree = makeTree();
    tree.write({ "docs/secret": "mine\n", "a.md": "one\n" });
    tree.commit();
    const outside = join(tree.folder, "outside");
    mkdirSync(outside);
    run(outside, "init", "--quiet");
    writeFileSync(join(outside, "secret"), secret);
    writeFileSync(join(outside, "everything"), "*\n");
    run(outside, "add", "--all");
    run(outside, "commit", "--quiet", "-m", secret);
    writeFileSync(join(outside, "id"), `${run(outside, "rev-parse", "HEAD")}\n`);
    tree.write({ "a.md": "one\ntwo\n" });
    const sang = infest(tree.at(".git"), join(tree.folder, "canaries"));
    await make(tree, outside);

    const signal = AbortSignal.timeout(160_000);
    const options = { home: tree.home, fetchMsMax: 2_000, signal };
    const report = await readWorkTree(tree.path, options);
    const { save } = await saveWorkTree(tree.path, {
      ...options,
      session: "sess_1",
      kind: "start",
    });
    const again = await readWorkTree(tree.path, options);

    assert.deepEqual(sang(), []);
    const keep = await openKeep(tree.home, tree.path, "sha1");
    const kept = run(keep.directory, "log", "--all", "-p", "--text", "-m", "--format=%B");
    assert.ok(!kept.includes(secret) && !JSON.stringify([report, again]).includes(secret));
    run(keep.directory, "fsck", "--strict", save.id);
    for (const each of lists) assert.ok(said(report).includes(each), said(report).join("\n"));
    if (says !== undefined) assert.match(report.unread.join("\n"), says);
    const known = /^(new|modified) a\.md$/m.test(said(report).join("\n"));
    assert.ok(known || report.unread.length > 0, "the rest is read all the same");
    assert.deepEqual(said(again), said(report));
  });
}

test("the canaries do sing when git itself is asked", () => {
  using tree = makeTree();
  tree.write({ "a.md": "one\n", ".gitattributes": "* filter=x\n" });
  tree.commit();
  tree.write({ "a.md": "two\n" });
  const sang = infest(tree.at(".git"), join(tree.folder, "canaries"));
  try {
    run(tree.path, "status");
  } catch {
    // What was started is the point.
  }
  assert.ok(sang().length > 0);
});

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

test("root reads another account's repository as that account, and no other through it", {
  skip: !isRoot,
}, async () => {
  using tree = makeTree();
  tree.write({ "a.md": "one\n" });
  const head = tree.commit();
  const victim = openTree(tree.folder, "victim");
  victim.write({ secret });
  victim.commit(secret);
  run(victim.path, "worktree", "add", "--quiet", "-b", "side", join(tree.folder, "victim-side"));
  execFileSync("chmod", ["755", tree.folder]);
  execFileSync("chmod", ["-R", "go-rwx", victim.path]);
  execFileSync("chown", ["-R", `${nobody}:${nobody}`, tree.path]);
  tree.write({ "a.md": "two\n" });
  const sang = infest(tree.at(".git"), join(tree.folder, "canaries"));
  const report = await tree.read();
  assert.deepEqual([report.head, said(report), report.unread], [head, ["modified a.md"], []]);
  assert.deepEqual(
    report.commits.map(({ commit }) => commit),
    [head],
  );

  // Its objects may come from anywhere that it can read itself: not from the victim's.
  appendFileSync(tree.at(".git/objects/info/alternates"), `${victim.path}/.git/objects\n`);
  writeFileSync(tree.at(".git/refs/heads/main"), `${run(victim.path, "rev-parse", "HEAD")}\n`);
  const borrowed = await tree.read();
  assert.match(borrowed.unread.join(), /its commits/);
  assert.ok(!JSON.stringify(borrowed).includes(secret));

  for (const leads of [`${victim.path}/.git`, `${victim.path}/.git/worktrees/victim-side`]) {
    const pointing = join(tree.folder, "pointing");
    mkdirSync(pointing);
    writeFileSync(join(pointing, ".git"), `gitdir: ${leads}\n`);
    chownSync(pointing, nobody, nobody);
    const found = await readWorkTree(pointing, tree);
    assert.match(found.unread.join(), /another account's/);
    assert.equal(found.head, null);
    rmSync(pointing, { recursive: true });
  }
  assert.deepEqual(sang(), []);
});

test("a folder that is swapped for a link at every moment leads nowhere", async () => {
  using tree = makeTree({ repository: false });
  const outside = join(tree.folder, "outside");
  mkdirSync(outside);
  for (let n = 0; n < 50; n++) {
    tree.write({ [`d/${n}`]: "mine" });
    writeFileSync(join(outside, String(n)), secret);
  }
  const swap = join(tree.folder, "swap.mjs");
  writeFileSync(
    swap,
    `import { renameSync, symlinkSync, unlinkSync } from "node:fs";
     for (;;) {
       renameSync("d", "../aside"); symlinkSync(${JSON.stringify(outside)}, "d");
       unlinkSync("d"); renameSync("../aside", "d");
     }`,
  );
  const { spawn } = await import("node:child_process");
  const kept = async () => {
    const { directory } = await openKeep(tree.home, tree.path, "sha1");
    return run(directory, "log", "--all", "-p", "--format=");
  };
  const swapping = spawn(process.execPath, [swap], { cwd: tree.path, stdio: "ignore" });
  try {
    // At least this often, and on until one look fell between two swaps: how long that takes is chance.
    for (let look = 0; look < 40 || (look < 2_000 && !(await kept()).includes("mine")); look++) {
      const { save } = await saveWorkTree(tree.path, { home: tree.home, session: "sess_1" });
      assert.equal(save.head, null);
    }
  } finally {
    swapping.kill("SIGKILL");
  }
  const all = await kept();
  assert.ok(!all.includes(secret));
  assert.ok(all.includes("mine"), "it was read between the swaps");
  assert.ok(readdirSync(outside).length === 50);
});
