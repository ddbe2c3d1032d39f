import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Fault } from "@lastgood/sdk";
import { restoreWorkTree } from "../../src/work-trees/restore.ts";
import { type SavingEvent, startSaving } from "../../src/work-trees/start-saving.ts";
import { undoSession } from "../../src/work-trees/undo.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { makeTree } from "./tree.ts";

const told: SavingEvent[] = [];

test("while a tree changes it is saved and sent within the span, and a last time at the end", async () => {
  await using server = await startServer();
  const client = await server.clientAs("agent", "marketing");
  const session = (await client.openSession({ leaseMs: 600_000 })).record.session_id;
  using tree = makeTree();
  tree.write({ "post.md": "one\n" });
  tree.commit();
  const saving = await startSaving({ ...tree, session, client, everyMs: 300 });
  const start = saving.status();
  assert.equal(start.saved?.kind, "start");
  assert.deepEqual(start.sent, start.saved);
  for (const words of ["one two\n", "one two three\n"]) {
    tree.write({ "post.md": words });
    await until("the change is at the server", async () => {
      const { report } = await client.savedWorkTree(session);
      const words = report?.files[0]?.words ?? 0;
      return words === readFileSync(tree.at("post.md"), "utf8").split(" ").length ? true : null;
    });
  }
  tree.write({ "post.md": "one two three four\n" });
  const end = await saving.stop();
  assert.deepEqual([end.saved?.kind, end.sent?.id, end.failure], ["end", end.saved?.id, null]);
  rmSync(tree.home, { recursive: true });
  const folder = join(tree.folder, "elsewhere");
  await restoreWorkTree({ home: tree.home, session, folder, client });
  assert.equal(readFileSync(join(folder, "post.md"), "utf8"), "one two three four\n");
});

test("while the server is away it saves here, and sends the latest when the server is back", async () => {
  using tree = makeTree();
  tree.write({ "post.md": "one\n" });
  const sent: Uint8Array[] = [];
  let isAway = true;
  const away = new Fault("server_unreachable", "nothing answers");
  const answer = (save: string | null) => ({
    ...{ session: "s", agent: "a", savedAt: null, report: null },
    ...{ save, holds: save === null ? [] : [save] },
  });
  const client = {
    savedWorkTree: async () => {
      if (isAway) throw away;
      return answer(null);
    },
    saveWorkTree: async (_: string, bundle: Uint8Array) => {
      if (isAway) throw away;
      sent.push(bundle);
      return answer(
        /^([0-9a-f]{40}) refs\/lastgood\/save$/m.exec(
          Buffer.from(bundle).toString("latin1"),
        )?.[1] ?? "",
      );
    },
  };
  const saving = await startSaving({
    ...{ ...tree, session: "s", client, everyMs: 60 },
    told: (event) => void told.push(event),
  });
  tree.write({ "post.md": "two\n" });
  const while_ = await until("it is saved here", async () => {
    const status = saving.status();
    return status.saved?.kind === "change" ? status : null;
  });
  assert.equal(while_.sent, null);
  assert.ok(
    told.some((event) => event.kind === "failed" && event.doing === "send" && event.error === away),
  );
  isAway = false;
  const back = await until("it is sent", async () => {
    const status = saving.status();
    return status.sent === null ? null : status;
  });
  assert.deepEqual([back.sent?.id, back.failure], [back.saved?.id, null]);
  await saving.stop();
  assert.equal(sent.length, 1, "only the latest was sent, once");
});

test("what the server refuses for good is not sent again until there is something else", async () => {
  using tree = makeTree();
  let asked = 0;
  const client = {
    savedWorkTree: async () => {
      asked += 1;
      throw new Fault("forbidden", "no");
    },
    saveWorkTree: async () => assert.fail("nothing is sent"),
  };
  const saving = await startSaving({ ...tree, session: "s", client, everyMs: 1_000_000 });
  await saving.save();
  await saving.save();
  assert.equal(asked, 1);
  tree.write({ a: "1\n" });
  const status = await saving.save();
  assert.equal(asked, 2);
  assert.equal((status.failure as Fault).code, "forbidden");
  assert.equal((await saving.stop(0)).saved?.kind, "change");
});

test("a tree that is swept away under it fails to be saved, and is saved again when it is back", async () => {
  using tree = makeTree();
  tree.write({ a: "1\n" });
  const saving = await startSaving({ ...tree, session: "s", everyMs: 1_000_000 });
  rmSync(tree.path, { recursive: true });
  const gone = await saving.save();
  assert.equal((gone.failure as Fault).code, "not_found");
  tree.write({ a: "2\n" });
  const back = await saving.save();
  assert.equal(back.failure, null);
  tree.write({ a: "3\n" });
  await saving.stop();
  await undoSession({ home: tree.home, session: "s" });
  assert.equal(readFileSync(tree.at("a"), "utf8"), "1\n");
});
