/** Wrappers that are killed, and servers that are away. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { identify } from "../../src/process-group.ts";
import { type RestartableServer, startRestartable } from "../support/restartable.ts";
import { until } from "../support/until.ts";
import { bin, type Machine, startMachine } from "./wrapped.ts";

async function marketing(server: RestartableServer, machine: Machine) {
  const token = await server.tokenFor("marketing");
  return (...args: string[]) =>
    machine.run({ url: server.url, token }, ["--agent", "marketing", ...args]);
}

async function reasonOf(server: RestartableServer, id: string): Promise<string> {
  return await until(`the end of ${id}`, async () => {
    const { record } = await server.client.sessionOf(id);
    return record.exit_reason;
  });
}

test("a wrapper that is killed leaves a program behind: the next one here ends it before it begins", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  // A zombie that writes: each line says that it still lives.
  const first = run("--", "sh", "-c", "while :; do echo alive; sleep 0.05; done");
  const { session, pid } = await first.event("began");
  const left = identify(pid);
  const killedAt = Date.now();
  first.kill("SIGKILL");
  await first.ended;
  assert.deepEqual(identify(pid), left, "nobody ended it yet");
  const { detectedAt, record } = await until("the crash", async () => {
    const now = await server.client.sessionOf(session);
    return now.state === "ended" ? now : null;
  });
  assert.equal(record.exit_reason, "crashed");
  const tookMs = Date.parse(detectedAt ?? "") - killedAt;
  assert.ok(tookMs < 2_000, `on the server's own machine it was noticed after ${tookMs} ms`);

  const second = run("--", "sleep", "60");
  assert.equal((await second.event("abandoned-ended")).pid, pid);
  const began = await second.event("began");
  assert.equal(identify(pid), null);
  assert.equal(began.recovery, "full");
  const names = second.events.map(({ event }) => event);
  assert.ok(names.indexOf("abandoned-ended") < names.indexOf("began"));
});

test("a wrapper that lives keeps its program, whoever else runs the agent on that machine", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const first = run("--", "sleep", "60");
  const { pid } = await first.event("began");
  const second = run("--", "sleep", "60");
  await second.event("began");
  assert.deepEqual(
    second.events.filter(({ event }) => event === "abandoned-ended"),
    [],
  );
  assert.equal((await first.ended).code, 5, "it was fenced, and ended its own program");
  assert.equal(identify(pid), null);
});

test("while the server is away the program goes on, in the same session when it is back", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--lease", "1s", "--", "sleep", "60");
  const { session, pid } = await wrapped.event("began");
  await server.stop();
  await wrapped.event("server-away");
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await server.start();
  await wrapped.event("server-back");
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  assert.equal((await server.client.sessionOf(session)).state, "live", "no crash was invented");
  assert.notEqual(identify(pid), null);
});

test("a start waits for the server, and says so; a SIGTERM ends the wait", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  await server.stop();
  const waiting = run("--", "true");
  assert.match((await waiting.event("waiting")).because, /lastgood start/);
  const given = run("--", "true");
  await given.event("waiting");
  given.kill("SIGTERM");
  assert.equal((await given.ended).code, 143);
  await server.start();
  assert.equal((await waiting.ended).code, 0, waiting.err);
});

test("an end that could not be told is told when the server is back, as it was", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "sleep", "60");
  const { session, pid } = await wrapped.event("began");
  await server.stop();
  process.kill(pid, "SIGINT");
  assert.equal((await wrapped.event("ended")).toldAfterMs, null);
  await server.start();
  const again = await wrapped.event("began", 2);
  assert.equal(again.before, "crashed");
  const { record, detail } = await server.client.sessionOf(session);
  assert.deepEqual([record.exit_reason, detail], ["crashed", "signal SIGINT"]);
});

test("nor is it lost when the wrapper is killed as well: the next one tells it", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run(
    "--",
    "sh",
    "-c",
    "trap 'exit 0' USR1; echo ready; while :; do sleep 0.05; done",
  );
  const { session, pid } = await wrapped.event("began");
  await until("the program", async () => (wrapped.out.includes("ready") ? true : null));
  await server.stop();
  process.kill(pid, "SIGUSR1");
  await wrapped.event("ended");
  wrapped.kill("SIGKILL");
  await wrapped.ended;
  const next = run("--", "true");
  await next.event("waiting");
  await server.start();
  assert.equal((await next.ended).code, 0, next.err);
  // The wrapper's own death may be seen before its word for the program is heard: that is the safe side.
  const { record, detail } = await server.client.sessionOf(session);
  assert.ok(["completed", "crashed"].includes(record.exit_reason ?? ""), detail);
  assert.deepEqual(readdirSync(join(machine.home, "agent-runs/marketing")), []);
});

test("a server that goes away in the middle of a start is waited for, and the start made again", async () => {
  await using server = await startRestartable({ agents: { marketing: {} } });
  await using machine = await startMachine();
  await server.client.assignTask({ id: "post", title: "Write it", agent: "marketing" });
  let refused = 0;
  const proxy = createServer(async (request, response) => {
    const isClaim = request.url?.endsWith("/claim") === true;
    if (isClaim && refused++ === 0) return request.socket.destroy();
    const body = request.method === "GET" ? null : Buffer.concat(await request.toArray());
    const { authorization = "", "content-type": type } = request.headers;
    const answer = await fetch(`${server.url}${request.url}`, {
      method: request.method ?? "GET",
      headers: { authorization, ...(type === undefined ? {} : { "content-type": type }) },
      body,
    });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = proxy.address() as AddressInfo;
    const connection = {
      url: `http://127.0.0.1:${port}`,
      token: await server.tokenFor("marketing"),
    };
    const args = [
      "--agent",
      "marketing",
      "--task",
      "post",
      "--",
      "sh",
      "-c",
      "echo $LASTGOOD_TASK",
    ];
    const wrapped = machine.run(connection, args);
    assert.equal((await wrapped.ended).code, 0, wrapped.err);
    assert.equal(wrapped.out, "post\n");
    const { sessions } = await server.client.sessions();
    assert.deepEqual(
      sessions.map(({ record }) => [record.exit_reason, record.tasks_started]),
      [
        ["completed", ["post"]],
        ["stopped", []],
      ],
    );
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("a storm is parked though the server was restarted in the middle of it", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "false");
  await wrapped.event("ended", 2);
  await server.stop();
  await server.start();
  assert.equal((await wrapped.ended).code, 7, wrapped.err);
  assert.equal((await server.client.agent("marketing")).state, "parked");
  await server.client.releaseAgent("marketing", "its program was mended");
  const mended = run("--", "true");
  assert.equal((await mended.ended).code, 0, mended.err);
});

test("a terminal stays one, with its size and its Ctrl-C", async () => {
  await using server = await startRestartable();
  await using machine = await startMachine();
  const token = await server.tokenFor("marketing");
  const program =
    "test -t 0 && test -t 1 && stty size; trap 'echo interrupted; exit 9' INT; kill -INT $PPID; sleep 5";
  const command = [
    process.execPath,
    bin,
    "agent",
    "run",
    "--agent",
    "marketing",
    "--restart",
    "never",
  ];
  const line = [...command, "--", "sh", "-c", `'${program.replaceAll("'", "'\\''")}'`].join(" ");
  const { stdout } = await promisify(execFile)(
    "script",
    ["-qec", `stty rows 33 cols 99; ${line}; echo "exit $?"`, "/dev/null"],
    {
      cwd: machine.folder,
      timeout: 30_000,
      env: {
        ...process.env,
        ...{ LASTGOOD_URL: server.url, LASTGOOD_TOKEN: token, LASTGOOD_HOME: machine.home },
      },
    },
  );
  assert.match(stdout, /^33 99\r?$/m);
  assert.match(stdout, /^interrupted\r?$/m);
  assert.match(stdout, /^exit 9\r?$/m);
  const { sessions } = await server.client.sessions();
  assert.equal(await reasonOf(server, sessions[0]?.record.session_id ?? ""), "stopped");
});
