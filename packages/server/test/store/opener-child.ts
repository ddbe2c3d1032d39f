/**
 * A process of its own that opens a home's PostgreSQL, and may write rows to it, so that a test can kill
 * it from outside. Speaks in lines of JSON on stdout; a row is told only after it was acknowledged.
 */
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "../../src/store/database.ts";
import { startEmbedded } from "../../src/store/embedded.ts";

const [home = "", mode = "open"] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

const server = await startEmbedded({ home });
const db = openDatabase(server.url);
await db`create table if not exists acknowledged (writer int, number int, primary key (writer, number))`;
say({ said: "ready", postgres: server.pid, adopted: server.adopted });

let stopping = false;
process.once("SIGTERM", () => {
  stopping = true;
});

/** Away for a moment: whether it was done is unknown, so the same is asked again. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      say({ said: "away", code: (error as { code?: string }).code });
      await delay(20);
    }
  }
}

async function write(writer: number): Promise<void> {
  // Another writer may be heard, and PostgreSQL killed, before this one has read where it goes on.
  const [row] = await insist(
    () => db<{ next: number }[]>`
      select coalesce(max(number), 0)::int + 1 as next from acknowledged where writer = ${writer}`,
  );
  for (let number = row?.next ?? 1; !stopping; number++) {
    await insist(
      () => db`insert into acknowledged ${db({ writer, number })} on conflict do nothing`,
    );
    say({ said: "row", writer, number });
  }
}

if (mode === "write") await Promise.all([1, 2, 3, 4].map(write));
else while (!stopping) await delay(20);
await db.end();
await server.stop();
say({ said: "stopped" });
