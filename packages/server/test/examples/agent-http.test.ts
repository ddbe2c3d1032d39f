import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { startMachine } from "../agent-run/wrapped.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../../../examples/agent-http/agent.py");
const letters = ["Ada", "Grace", "Edsger", "Barbara"];

async function assign(server: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  await server.client.assignTask({
    ...{ id: "invite", title: "Write the invitations", agent: "writer" },
    details: { letters },
  });
}

test("the example over HTTP is killed at its second letter, started again, and writes each once", async () => {
  await using server = await startServer({ agents: { writer: {} } });
  const outbox = await mkdtemp(join(tmpdir(), "lastgood-outbox-"));
  const env = {
    PATH: process.env.PATH ?? "",
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("agent", "writer"),
  };
  const children: ChildProcess[] = [];
  const start = () => {
    const child = spawn("python3", [program, outbox], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    return child;
  };
  try {
    await assign(server);
    const first = start();
    const gone = once(first, "exit");
    for await (const line of createInterface(first.stdout)) {
      if (line === "sent Grace") break;
    }
    first.kill("SIGKILL");
    await gone;
    const [{ record } = assert.fail()] = (await server.client.sessions()).sessions;

    const second = start();
    const said: string[] = [];
    createInterface(second.stdout).on("line", (line) => said.push(line));
    await until("the task to be completed", async () =>
      (await server.client.task("invite")).state === "completed" ? true : null,
    );
    await until("the message to be handled", async () => {
      const { consumers } = await server.client.consumers({ agent: "writer" });
      return consumers[0]?.handled === 1 ? true : null;
    });
    const ended = once(second, "exit");
    second.kill("SIGTERM");
    assert.equal((await ended)[0], 0);
    assert.match(said[0] ?? "", /begins \(full\)\. .*invite/, "it knows what it was doing");
    assert.equal((await readdir(outbox)).length, letters.length, said.join("\n"));
    const { effects } = await server.client.effects({ agent: "writer" });
    assert.deepEqual(new Set(effects.map(({ state }) => state)), new Set(["confirmed"]));
    const [last] = (await server.client.sessions()).sessions;
    assert.equal(last?.record.exit_reason, "stopped");
    assert.equal(last?.previous, record.session_id);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(outbox, { recursive: true, force: true });
  }
});

test("under agent run it joins the session that was opened for it, and its hang shows", async () => {
  await using server = await startServer({ agents: { writer: {} } });
  await using machine = await startMachine();
  await assign(server);
  const token = await server.tokenAs("agent", "writer");
  const outbox = join(machine.folder, "outbox");
  const args = ["--agent", "writer", "--lease", "2s", "--", "python3", program, outbox];
  const wrapped = machine.run({ url: server.lastgood.url, token }, args);
  const { session, pid } = await wrapped.event("began");
  await until("the task to be completed", async () =>
    (await server.client.task("invite")).state === "completed" ? true : null,
  );
  const { record } = await server.client.sessionOf(session);
  assert.deepEqual(record.tasks_completed, ["invite"]);
  process.kill(pid, "SIGSTOP");
  assert.equal((await wrapped.event("session-over")).reason, "hung");
  await wrapped.event("began", 2);
});
