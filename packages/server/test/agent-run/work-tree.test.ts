import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownHost } from "../../src/own-host.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { type Machine, startMachine } from "./wrapped.ts";

function makeRepository(folder: string): void {
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", ...args], {
      cwd: folder,
      stdio: "pipe",
    });
  git("init", "-q", "-b", "main");
  writeFileSync(join(folder, ".gitignore"), "home/\n");
  writeFileSync(join(folder, "post.md"), "one\n");
  git("add", ".");
  git("commit", "-qm", "begin");
}

async function marketing(server: TestServer, machine: Machine) {
  const token = await server.tokenAs("agent", "marketing");
  return (...args: string[]) =>
    machine.run({ url: server.lastgood.url, token }, ["--agent", "marketing", ...args]);
}

const filesOf = async ({ client }: TestServer, session: string) => {
  const { report } = await client.savedWorkTree(session);
  return report?.files.map(({ path, status }) => `${status} ${path}`) ?? [];
};

test("the work tree is known to the session, saved as it was found, and as it was left before it is evicted", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  await using machine = await startMachine();
  makeRepository(machine.folder);
  const run = await marketing(server, machine);
  writeFileSync(join(machine.folder, "found.md"), "left by somebody\n");
  const script = "echo two >> post.md; echo ready; sleep 60";
  const wrapped = run("--on-term", "evicted", "--", "sh", "-c", script);
  const { session } = await wrapped.event("began");
  const { workTree } = await server.client.sessionOf(session);
  assert.equal(workTree?.host, ownHost());
  await until("the program", async () => (wrapped.out.includes("ready") ? true : null));
  assert.deepEqual(await filesOf(server, session), ["new found.md"]);
  wrapped.kill("SIGTERM");
  await wrapped.ended;
  assert.equal((await server.client.sessionOf(session)).record.exit_reason, "evicted");
  assert.deepEqual(await filesOf(server, session), ["new found.md", "modified post.md"]);
});

test("the brief tells the next one what the killed one had not committed", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  await using machine = await startMachine();
  makeRepository(machine.folder);
  mkdirSync(join(machine.folder, "drafts"));
  const run = await marketing(server, machine);
  const script = `
    if [ -e drafts/draft.md ]; then cat "$LASTGOOD_BRIEF"; exit 0; fi
    echo "half a sentence about recovery" > drafts/draft.md
    kill -9 $$`;
  const wrapped = run("--", "sh", "-c", script);
  assert.deepEqual(await wrapped.ended, { code: 0, signal: null }, wrapped.err);
  assert.match(wrapped.out, /drafts\/draft\.md/);
  assert.match(wrapped.out, /half a sentence about recovery/);
});

test("a folder that is no work tree is not saved, and nothing is said of it", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  await using machine = await startMachine();
  const run = await marketing(server, machine);
  const wrapped = run("--", "true");
  await wrapped.ended;
  const { session } = await wrapped.event("ended");
  assert.equal((await server.client.sessionOf(session)).workTree, null);
  assert.deepEqual(
    wrapped.events.map(({ event }) => event),
    ["began", "ended"],
  );
});
