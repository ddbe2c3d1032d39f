import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { startMachine } from "../agent-run/wrapped.ts";
import { lastgood } from "../support/lastgood.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const program = resolve(import.meta.dirname, "../../../../examples/agent-wrapped/report.sh");

test("the wrapped example is killed, goes on in a new session, and its edits can be taken back", async () => {
  await using server = await startServer({ agents: { reporter: {} } });
  await using machine = await startMachine();
  execFileSync("git", ["init", "-q"], { cwd: machine.folder });
  execFileSync("sh", ["-c", "echo home/ > .git/info/exclude"], { cwd: machine.folder });
  const report = join(machine.folder, "report.md");
  const connection = {
    url: server.lastgood.url,
    token: await server.tokenAs("agent", "reporter"),
  };
  const args = ["--agent", "reporter", "--", program, report];
  const wrapped = machine.run(connection, args, { PAUSE: "0.2" });
  const first = await wrapped.event("began");
  await until("the third line", async () => (wrapped.out.includes("line 3") ? true : null));
  process.kill(first.pid, "SIGKILL");
  assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
  const lines = readFileSync(report, "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => line.split(",")[0]),
    Array.from({ length: 10 }, (_, index) => `line ${index + 1}`),
  );
  const { sessions } = await server.client.sessions({ agent: "reporter" });
  assert.deepEqual(
    sessions.map(({ record }) => record.exit_reason),
    ["completed", "crashed"],
  );
  const undone = await lastgood(["undo", "--session", first.session, "--later", "report.md"], {
    cwd: machine.folder,
    env: { LASTGOOD_HOME: machine.home },
  });
  assert.equal(undone.code, 0, undone.err);
  assert.equal(existsSync(report), false, undone.out);
});
