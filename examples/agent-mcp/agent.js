/**
 * An agent that knows of Lastgood only what its MCP server offers, as any host's model does: it sends the
 * letters that it is asked for. Kill it at any line, start it again: none is lost, none is sent twice.
 *
 *     LASTGOOD_TOKEN=… node agent.js ./outbox
 *
 * The outside world is a folder here: a letter is sent when its file is there.
 */
import { access, mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const outbox = process.argv[2] ?? "outbox";
await mkdir(outbox, { recursive: true });

const checkout = resolve(import.meta.dirname, "../..");
const client = new Client({ name: "letters", version: "1.0.0" });
await client.connect(
  new StdioClientTransport({
    command: join(checkout, "node_modules/.bin/lastgood"),
    args: ["mcp"],
    env: { ...process.env },
  }),
);

let stopping = false;
process.once("SIGTERM", () => {
  stopping = true;
});

const { session, recovery } = await call("session_start");
if (recovery === "full") {
  const { markdown } = await call("brief", { max_tokens: 2_000 });
  console.log(`Back.\n${markdown}`);
}
console.log(`${session} waits for work.`);
while (!stopping) {
  const { message } = await call("inbox_next", { wait_seconds: 1 });
  if (message === null) continue;
  if (!message.handled) await sendAll(message);
  await call("message_ack", { token: message.token });
}
await call("session_end", { reason: "stopped" });
await client.close();

/** A message such as `{"task": "invite", "letters": ["Ada", "Grace"]}`. */
async function sendAll({ id, payload: { task, letters } }) {
  for (const name of letters) {
    // The key names the effect within its task: handled again, it is not done again.
    const key = `${id}: letter to ${name}`;
    let begun = await call("effect_begin", { key, task, kind: "letter", request: { name } });
    if (begun.go === "look-up") {
      const happened = await isSent(begun.effect.id);
      const because = `looked into ${outbox}`;
      await call("effect_settle", { effect: begun.effect.id, happened, because });
      if (!happened) begun = await call("effect_begin", { key, task, kind: "letter" });
    }
    if (begun.go === "run") {
      await writeFile(letterOf(begun.effect.id), `Dear ${name},\n`, { flag: "wx" });
      await call("effect_confirm", { effect: begun.effect.id, result: { sent: name } });
    }
    console.log(`sent ${name}`);
  }
}

function letterOf(effect) {
  return join(outbox, `${effect}.txt`);
}

async function isSent(effect) {
  return await access(letterOf(effect)).then(
    () => true,
    () => false,
  );
}

/** What a tool answers; its error says what to do, as a model would read it. */
async function call(name, args = {}) {
  const answer = await client.callTool({ name, arguments: args });
  if (answer.isError) throw new Error(answer.content.map(({ text }) => text).join("\n"));
  return answer.structuredContent;
}
