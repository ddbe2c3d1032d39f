import assert from "node:assert/strict";
import { test } from "node:test";
import { startDatabase } from "../support/database.ts";
import { startRoom } from "./room.ts";

test("a stop does not wait for what is still written up: its check may take minutes", {
  timeout: 60_000,
}, async () => {
  await using store = await startDatabase();
  const writing = Promise.withResolvers<void>();
  const bad = new Set<string>();
  const never = new Promise<never>(() => {});
  await using room = await startRoom(store.db, {
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
    writeUps: {
      finish() {
        writing.resolve();
        return never;
      },
    },
  });
  const [guilty] = await room.push("api", ["backend"]);
  bad.add(guilty?.commit ?? "");
  room.say();
  const { id, recovery } = await room.only("decided");
  for (const kind of ["contained", "restored", "verified", "resumed"] as const) {
    await room.tell(recovery ?? "", kind);
  }
  await writing.promise;
  await room.stop();
  const [row] = await store.db`select state from incidents where id = ${id}`;
  assert.equal(row?.state, "resumed", "the next start writes it up");
});
