import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { endGroup, startGroup } from "../../src/process-group.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../../../examples/agent-mcp/agent.js");

test("the example through MCP is killed with its server at its second letter, and sends each once", async () => {
  await using server = await startServer({ agents: { writer: {} } });
  const outbox = await mkdtemp(join(tmpdir(), "lastgood-outbox-"));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: outbox,
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("agent", "writer"),
  };
  // The agent and the MCP server that it starts are one group: both die as a pod does.
  const start = () => {
    const { child, leader } = startGroup([process.execPath, program, join(outbox, "letters")], {
      cwd: outbox,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    assert.ok(leader !== null && child.stdout !== null);
    return { child, leader, stdout: child.stdout };
  };
  const started = [start()];
  try {
    const letters = ["Ada", "Grace", "Edsger", "Barbara"];
    const payload = { task: "invite", letters };
    await server.client.publishMessage({ agent: "writer", id: "m1", payload });
    const [first = assert.fail()] = started;
    for await (const line of createInterface(first.stdout)) {
      if (line === "sent Grace") break;
    }
    await endGroup(first.leader, 0);

    const second = start();
    started.push(second);
    const said: string[] = [];
    createInterface(second.stdout).on("line", (line) => said.push(line));
    await until("the message to be handled", async () => {
      const { consumers } = await server.client.consumers({ agent: "writer" });
      return consumers[0]?.handled === 1 ? true : null;
    });
    const ended = once(second.child, "exit");
    second.child.kill("SIGTERM");
    assert.equal((await ended)[0], 0);
    assert.equal(said[0], "Back.");
    assert.match(said.join("\n"), /^# Brief of writer/m);
    assert.equal((await readdir(join(outbox, "letters"))).length, letters.length, said.join("\n"));
    const { effects } = await server.client.effects({ agent: "writer" });
    assert.deepEqual(new Set(effects.map(({ state }) => state)), new Set(["confirmed"]));
    const { sessions } = await server.client.sessions({ agent: "writer" });
    assert.equal(sessions[0]?.record.exit_reason, "stopped");
    assert.equal(sessions[0]?.door, "mcp");
  } finally {
    for (const { leader } of started) await endGroup(leader, 0);
    await rm(outbox, { recursive: true, force: true });
  }
});
