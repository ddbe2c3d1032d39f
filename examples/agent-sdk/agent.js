/**
 * A small agent: it sends the letters that it is asked for. It may be killed at any line and started again:
 * no letter is lost, none is sent twice.
 *
 *     LASTGOOD_TOKEN=… node agent.js ./outbox
 *
 * The outside world is a folder here: a letter is sent when its file is there.
 */
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";

const outbox = process.argv[2] ?? "outbox";
await mkdir(outbox, { recursive: true });

const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());
process.once("SIGINT", () => stopping.abort());

// LASTGOOD_URL and LASTGOOD_TOKEN; under `lastgood agent run`, also the session that it opened.
const lastgood = createClient();
const session = await lastgood.session({
  onTrouble: ({ code, message }) => console.error(`${code}: ${message}`),
});
try {
  if (session.recovery === "full") {
    const { conclusion } = await session.brief();
    console.log(`Back after ${session.before?.session_id}. ${conclusion.says}`);
    for (const doubt of conclusion.doubts) console.log(`- ${doubt}`);
  }
  console.log(`${session.id} waits for work.`);
  await session.inbox(handle, { signal: stopping.signal });
} finally {
  await session.end(stopping.signal.aborted ? "stopped" : "completed");
}

/** A message such as `{"task": "invite", "letters": ["Ada", "Grace"]}`. */
async function handle({ payload }, { effect, progress }) {
  const { task, letters } = payload;
  for (const name of letters) {
    // The key names the effect within this message: handled again, it is not done again.
    await effect({
      key: `letter to ${name}`,
      kind: "letter",
      task,
      request: { name },
      // The id is the same whenever this effect is tried again.
      run: async (id) => {
        await writeFile(join(outbox, `${id}.txt`), `Dear ${name},\n`, { flag: "wx" });
        return { sent: name };
      },
      // Asked after a crash between sending and saying so: did it happen?
      lookup: async ({ id }) => {
        const isThere = await access(join(outbox, `${id}.txt`)).then(
          () => true,
          () => false,
        );
        return isThere ? { result: { sent: name } } : null;
      },
    });
    console.log(`sent ${name}`);
    await progress();
  }
}
