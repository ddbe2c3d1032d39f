import assert from "node:assert/strict";
import { test } from "node:test";
import { startDatabase } from "../support/database.ts";
import { guiltyRoom, through } from "./guilty-room.ts";

test("a stop does not wait for what is still written up: its check may take minutes", {
  timeout: 60_000,
}, async () => {
  await using store = await startDatabase();
  const writing = Promise.withResolvers<void>();
  const never = new Promise<never>(() => {});
  const { room } = await guiltyRoom(store.db, {
    writeUps: {
      finish() {
        writing.resolve();
        return never;
      },
    },
  });
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  await through(room, recovery ?? "");
  await writing.promise;
  await room.stop();
  const [row] = await store.db`select state from incidents where id = ${id}`;
  assert.equal(row?.state, "resumed", "the next start writes it up");
});
