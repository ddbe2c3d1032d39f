import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../../../examples/agent-sdk/agent.js");

test("the example over the SDK is killed at its second letter, started again, and sends each once", async () => {
  await using server = await startServer({ agents: { writer: {} } });
  const outbox = await mkdtemp(join(tmpdir(), "lastgood-outbox-"));
  const env = {
    PATH: process.env.PATH ?? "",
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("agent", "writer"),
  };
  const start = () =>
    spawn(process.execPath, ["--conditions=development", program, outbox], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
  const children: ChildProcess[] = [];
  try {
    const letters = ["Ada", "Grace", "Edsger", "Barbara"];
    await server.client.publishMessage({
      agent: "writer",
      id: "m1",
      payload: { task: "invite", letters },
    });
    const first = start();
    children.push(first);
    const gone = once(first, "exit");
    for await (const line of createInterface(first.stdout)) {
      if (line === "sent Grace") break;
    }
    first.kill("SIGKILL");
    await gone;

    const second = start();
    children.push(second);
    const said: string[] = [];
    createInterface(second.stdout).on("line", (line) => said.push(line));
    await until("the message to be handled", async () => {
      const { consumers } = await server.client.consumers({ agent: "writer" });
      return consumers[0]?.handled === 1 ? true : null;
    });
    const ended = once(second, "exit");
    second.kill("SIGTERM");
    assert.deepEqual((await ended)[0], 0);
    assert.match(said[0] ?? "", /^Back after sess_\d{8}_\d{6}_writer/);
    assert.equal((await readdir(outbox)).length, letters.length, said.join("\n"));
    const { effects } = await server.client.effects({ agent: "writer" });
    assert.deepEqual(new Set(effects.map(({ state }) => state)), new Set(["confirmed"]));
    const { sessions } = await server.client.sessions({ agent: "writer" });
    assert.equal(sessions[0]?.record.exit_reason, "stopped");
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(outbox, { recursive: true, force: true });
  }
});
