import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { makeTree } from "./tree.ts";

const program = join(import.meta.dirname, "../../bin/lastgood.js");

interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real command line. */
async function lastgood(
  cwd: string,
  environment: Readonly<Record<string, string>>,
  ...argv: readonly string[]
): Promise<Ran> {
  const args = [
    "--conditions=development",
    "--disable-warning=ExperimentalWarning",
    program,
    ...argv,
  ];
  const env = { PATH: process.env.PATH, HOME: cwd, ...environment };
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, env, encoding: "utf8" }, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

test("edits are shown, saved, taken back, and had again by the command that is printed", async () => {
  using tree = makeTree();
  tree.write({ "posts/a b.md": "one\n", "kept.md": "k\n" });
  tree.commit();
  const session = "sess_20261126_120000_marketing";
  const run = (...argv: readonly string[]) =>
    lastgood(tree.path, { LASTGOOD_HOME: tree.home }, ...argv);
  assert.equal((await run("work-tree", "save", "--session", session, "--start", "--here")).exit, 0);
  tree.write({ "posts/a b.md": "one\ntwo three\n", "new.md": "n\n" });
  const shown = await run("work-tree", "show");
  assert.match(shown.stdout, /modified +3 +2 +posts\/a b\.md/);
  assert.equal((await run("work-tree", "save", "--session", session, "--here")).exit, 0);

  const dry = await run("undo", "--session", session, "--dry-run");
  assert.match(dry.stdout, /WOULD BE\n[\s\S]*posts\/a b\.md +put back/);
  assert.equal(readFileSync(tree.at("posts/a b.md"), "utf8"), "one\ntwo three\n");
  const undone = await run("undo", "--session", session);
  assert.equal(undone.exit, 0, undone.stderr);
  assert.equal(readFileSync(tree.at("posts/a b.md"), "utf8"), "one\n");
  assert.equal(existsSync(tree.at("new.md")), false);

  const again = /lastgood (undo .* --to [0-9a-f]+)/.exec(undone.stdout)?.[1]?.split(" ") ?? [];
  assert.equal((await run(...again)).exit, 0);
  assert.equal(readFileSync(tree.at("new.md"), "utf8"), "n\n");
  const saves = JSON.parse(
    (await run("--json", "work-tree", "saves", "--session", session)).stdout,
  );
  assert.deepEqual(
    saves.saves
      .map(({ kind }: { kind: string }) => kind)
      .reverse()
      .slice(0, 4),
    ["start", "change", "before-undo", "undone"],
  );
  const nowhere = await run("undo", "--session", "sess_never");
  assert.deepEqual([nowhere.exit, nowhere.stdout], [3, ""]);
  assert.match(nowhere.stderr, /No work tree of sess_never was saved/);
});

test("a work tree whose disk is gone is restored from the server", async () => {
  await using server = await startServer();
  const token = await server.tokenAs("agent", "marketing");
  const client = await server.clientAs("agent", "marketing");
  const session = (await client.openSession({ leaseMs: 600_000 })).record.session_id;
  using tree = makeTree();
  tree.write({ "post.md": "half of it\n" });
  const environment = {
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: token,
    LASTGOOD_HOME: tree.home,
  };
  const run = (...argv: readonly string[]) => lastgood(tree.folder, environment, ...argv);
  const saved = await run("work-tree", "save", "--session", session, tree.path);
  assert.equal(saved.exit, 0, saved.stderr);
  rmSync(tree.path, { recursive: true });
  rmSync(tree.home, { recursive: true });
  const restored = await run("work-tree", "restore", "--session", session, "site");
  assert.equal(restored.exit, 0, restored.stderr);
  assert.match(restored.stdout, /from the server: 1 files/);
  assert.equal(readFileSync(join(tree.folder, "site/post.md"), "utf8"), "half of it\n");
});
