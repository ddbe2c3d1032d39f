import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findKeeps, saveRef } from "../../src/work-trees/keep.ts";
import { saveWorkTree } from "../../src/work-trees/save-work-tree.ts";
import { listSaves } from "../../src/work-trees/saves.ts";
import { undoSession } from "../../src/work-trees/undo.ts";
import { makeTree, run } from "./tree.ts";

const session = "sess_20261126_1200_marketing";
const seed = Number(process.env.SEED ?? Date.now() % 100_000);

test(`a saver killed at any moment leaves a repository that the next one goes on with (SEED=${seed})`, async () => {
  using tree = makeTree();
  const program = join(import.meta.dirname, "dying-saver.ts");
  let chance = seed;
  const acknowledged: string[] = [];
  for (let kill = 0; kill < 12; kill++) {
    const child = spawn(
      process.execPath,
      [
        "--conditions=development",
        "--disable-warning=ExperimentalWarning",
        program,
        tree.path,
        tree.home,
        session,
      ],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const ended = once(child, "close");
    await once(child.stdout, "data");
    chance = (chance * 16_807) % 2_147_483_647;
    setTimeout(() => child.kill("SIGKILL"), chance % 120);
    await ended;
    acknowledged.push(...said.split("\n").filter((each) => /^[0-9a-f]{40}$/.test(each)));

    const { save, keep } = await saveWorkTree(tree.path, { home: tree.home, session });
    const { directory } = keep;
    run(directory, "fsck", "--full", "--strict");
    const saves = await listSaves(keep, session, AbortSignal.timeout(150_000));
    const kept = new Set(saves.map(({ id }) => id));
    const lost = acknowledged.filter((each) => !kept.has(each));
    assert.deepEqual(lost, [], `kill ${kill}`);
    const shown = run(directory, "show", `${save.id}:0.md`);
    assert.equal(`${shown}\n`, readFileSync(tree.at("0.md"), "utf8"));
  }
  assert.ok(acknowledged.length >= 12);
});

test("locks that a killed git left are taken away when nobody can hold them any more", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  tree.commit();
  const { keep } = await saveWorkTree(tree.path, { home: tree.home, session, kind: "start" });
  const past = new Date(Date.now() - 60_000);
  for (const lock of [
    `${saveRef(session)}.lock`,
    "refs/lastgood/latest.lock",
    "packed-refs.lock",
    "shallow.lock",
  ]) {
    writeFileSync(join(keep.directory, lock), "");
    utimesSync(join(keep.directory, lock), past, past);
  }
  tree.write({ a: "2\n" });
  tree.commit();
  tree.write({ a: "3\n" });
  assert.equal((await saveWorkTree(tree.path, { home: tree.home, session })).isNew, true);
});

test("what was found out before and is damaged is found out anew", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  tree.commit();
  tree.write({ a: "2\n" });
  await saveWorkTree(tree.path, { home: tree.home, session, kind: "start" });
  const [found] = await findKeeps(tree.home, session);
  const file = found?.keep.knownFile ?? assert.fail();
  for (const damage of [
    "",
    "{",
    "[]",
    '{"version":1}',
    '{"version":1,"seen":[1],"heads":[],"news":[]}',
  ]) {
    writeFileSync(file, damage);
    const report = await tree.read();
    assert.deepEqual([report.files.length, report.unread], [1, []], damage);
  }
  appendFileSync(tree.at("a"), "3\n");
  await saveWorkTree(tree.path, { home: tree.home, session });
  await undoSession({ home: tree.home, session });
  assert.equal(readFileSync(tree.at("a"), "utf8"), "2\n");
});
