import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncidentId } from "../../src/ids.ts";
import type { Db } from "../../src/store/database.ts";
import { startDatabase } from "../support/database.ts";
import { guiltyRoom, through } from "./guilty-room.ts";

/** The same database, whose answer to one reading of the incidents in this state comes late. */
function answeringLate(db: Db, state: string) {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let isDue = false;
  async function heldBack(query: unknown): Promise<unknown> {
    const rows = await query;
    asked.resolve();
    await answered.promise;
    return rows;
  }
  const late = new Proxy(db, {
    apply(call, self, args: unknown[]) {
      const query: unknown = Reflect.apply(call, self, args);
      const isIt = args.some(
        (each) => Array.isArray(each) && !("raw" in each) && each.includes(state),
      );
      if (!isDue || !isIt) return query;
      isDue = false;
      return heldBack(query);
    },
  });
  return {
    db: late,
    /** Resolves when it has been asked, and the database has said how it was then. */
    async ask() {
      isDue = true;
      await asked.promise;
    },
    answer: answered.resolve,
  };
}

test("an incident that was closed since the room had read it is not written up once more", async () => {
  await using store = await startDatabase();
  const late = answeringLate(store.db, "resumed");
  const mayClose = Promise.withResolvers<void>();
  const wrote: string[] = [];
  const { room } = await guiltyRoom(late.db, {
    writeUps: {
      finish: async (id: IncidentId) => void wrote.push(id),
      wanting: async () => {
        await mayClose.promise;
        return null;
      },
    },
  });
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  await through(room, recovery ?? "");
  await room.eventually("it to be written up", async () => wrote.length === 1);
  await late.ask();
  mayClose.resolve();
  await room.reaches(id, "closed");
  late.answer();
  room.say({ service: "billing", rule: "billing.errors" });
  await room.only("decided");
  assert.deepEqual(wrote, [id]);
});
