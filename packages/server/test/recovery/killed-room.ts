/** A recovery room in a process of its own, to be killed: it stands still at the point that it is told. */
import { openDatabase } from "../../src/store/database.ts";
import { startFakeRoom } from "./fake-room.ts";

const [url = "", holdAt = ""] = process.argv.slice(2);

await startFakeRoom(openDatabase(url, { max: 4 }), {
  async reached(_, point) {
    process.send?.({ point });
    if (point === holdAt) await new Promise(() => {});
  },
});
