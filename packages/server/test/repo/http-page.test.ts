import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { startServer } from "../support/server.ts";

const page = resolve(import.meta.dirname, "../../../../docs/http.md");

/** All that is to be pasted, but for the line that names the server and the token. */
function script(): string {
  const fences = [...readFileSync(page, "utf8").matchAll(/^```sh\n(.*?)^```/gms)];
  const texts = fences.map(([, text = ""]) => text);
  return texts.filter((text) => !text.includes("LASTGOOD_TOKEN=lg_agent_")).join("\n");
}

test("what docs/http.md says with curl can be pasted, line by line", async () => {
  await using server = await startServer({ agents: { writer: {} } });
  const folder = await mkdtemp(join(tmpdir(), "lastgood-pasted-"));
  try {
    const text = script();
    const child = spawn("bash", ["-euo", "pipefail", "-x", "-c", text], {
      cwd: folder,
      // With a socket for its input, bash takes itself for a remote shell.
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH ?? "",
        LASTGOOD_URL: server.lastgood.url,
        LASTGOOD_TOKEN: await server.tokenAs("agent", "writer"),
      },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    const code = await new Promise((done) => child.once("close", done));
    assert.equal(code, 0, said);
    assert.match(said, /"code":"fenced"/);

    const curls = text.split("\n").filter((line) => line.startsWith("curl "));
    assert.equal([...said.matchAll(/\+ curl -K/g)].length, curls.length, "every line was run");
    const { sessions } = await server.client.sessions({ agent: "writer" });
    const { record } = sessions[0] ?? assert.fail();
    assert.equal(record.exit_reason, "completed");
    assert.equal(record.token_usage, 1_200);
    assert.deepEqual(record.tasks_completed, ["invite"]);
    assert.equal(record.messages_processed, 1);
    const { effects } = await server.client.effects({ agent: "writer" });
    assert.deepEqual(
      effects.map(({ state, task, result }) => ({ state, task, result })),
      [{ state: "confirmed", task: "invite", result: { sent: "Ada" } }],
    );
    assert.deepEqual((await server.client.getDocument("agents", "writer")).body, { letters: 1 });
    assert.equal((await readdir(folder)).filter((name) => name.startsWith("letter-")).length, 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
