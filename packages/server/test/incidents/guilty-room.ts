import type { Db } from "../../src/store/database.ts";
import { type Room, type RoomOptions, startRoom } from "./room.ts";

/** A room in which the last push to `api` is guilty, and reruns show it. */
export async function guiltyRoom(db: Db, options: RoomOptions = {}) {
  const bad = new Set<string>();
  const room = await startRoom(db, {
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
    ...options,
  });
  const [guilty] = await room.push("api", ["backend"]);
  if (guilty === undefined) throw new Error("nothing was pushed");
  bad.add(guilty.commit);
  return { room, guilty };
}

/** The recovery, to its end. */
export async function through(room: Room, recovery: string): Promise<void> {
  for (const kind of ["contained", "restored", "verified", "resumed"] as const) {
    await room.tell(recovery, kind);
  }
}
