import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { run } from "../code/world.ts";
import { startServer } from "../support/server.ts";

const program = join(import.meta.dirname, "../../bin/lastgood.js");

interface Folder extends Disposable {
  readonly path: string;
  git(...args: readonly string[]): string;
  write(name: string, content: string): void;
  /** Runs `lastgood` here. */
  type(
    args: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<{ readonly exit: number; readonly stdout: string; readonly stderr: string }>;
}

function startFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "lastgood-checkpoint-cli-"));
  run(path, "init", "--quiet", "--initial-branch=main");
  return {
    path,
    git: (...args) => run(path, ...args),
    write: (name, content) => writeFileSync(join(path, name), content),
    type(args, environment = {}) {
      const env = {
        ...{ PATH: process.env.PATH, HOME: path, GIT_CONFIG_NOSYSTEM: "1" },
        ...{ GIT_AUTHOR_NAME: "Ada", GIT_AUTHOR_EMAIL: "a@fleet.test" },
        ...{ GIT_COMMITTER_NAME: "Ada", GIT_COMMITTER_EMAIL: "a@fleet.test" },
        LASTGOOD_URL: "http://127.0.0.1:9",
        ...environment,
      };
      const argv = ["--conditions=development", program, ...args];
      return new Promise((resolve) => {
        execFile(process.execPath, argv, { cwd: path, env, timeout: 30_000 }, (error, out, err) =>
          resolve({
            exit: error === null ? 0 : Number(error.code ?? -1),
            stdout: out,
            stderr: err,
          }),
        );
      });
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

const plain = ["checkpoint", "-m", "blog post draft", "--task", "T-1", "--subtask", "3/5"];
const message = "feat(marketing): blog post draft [task:T-1] [subtask:3/5]";

test("it commits with the strict message and records it in the session", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  using folder = startFolder();
  const token = await server.tokenAs("agent", "marketing");
  const client = createClient({ url: server.lastgood.url, token });
  const { record } = await client.openSession({ leaseMs: 600_000 });
  const session = record.session_id;
  const environment = {
    ...{ LASTGOOD_URL: server.lastgood.url, LASTGOOD_TOKEN: token, LASTGOOD_SESSION: session },
  };
  folder.write("post.md", "half\n");
  const typed = [...plain, "--type", "feat", "--scope", "marketing", "--all", "--json"];
  const done = await folder.type(typed, environment);
  assert.equal(done.exit, 0, done.stderr);
  const commit = folder.git("rev-parse", "HEAD");
  assert.equal(folder.git("log", "-1", "--format=%B").trim(), message);
  const { recorded } = JSON.parse(done.stdout) as { recorded: { commit: string; author: string } };
  assert.deepEqual([recorded.commit, recorded.author], [commit, "Ada <a@fleet.test>"]);
  const { checkpoints } = await server.client.checkpoints({ session });
  assert.deepEqual(
    checkpoints.map((each) => [each.commit, each.task, each.subtask]),
    [[commit, "T-1", { n: 3, of: 5 }]],
  );

  await client.endSession(session, { reason: "completed" });
  folder.write("post.md", "more\n");
  const over = await folder.type([...plain, "--all"], environment);
  assert.equal(over.exit, 5, over.stderr);
  assert.match(over.stderr, /session .* is over.*Nothing was committed/);
  assert.equal(folder.git("rev-parse", "HEAD"), commit);
});

test("without a server, or a session, it commits all the same and says what is missing", async () => {
  using folder = startFolder();
  folder.write("a", "1\n");
  folder.git("add", "a");
  const alone = await folder.type(plain);
  assert.equal(alone.exit, 0, alone.stderr);
  assert.match(alone.stdout, /Not recorded: no session is named/);
  folder.write("a", "2\n");
  const away = await folder.type(["checkpoint", "-m", "fix(x): it", "--task", "T-1", "--all"], {
    ...{ LASTGOOD_SESSION: "sess_1", LASTGOOD_TOKEN: "none" },
  });
  assert.equal(away.exit, 0, away.stderr);
  assert.match(away.stdout, /Not recorded: Nothing answers at http:\/\/127\.0\.0\.1:9/);
  assert.equal(folder.git("log", "-1", "--format=%s"), "fix(x): it [task:T-1]");
  assert.equal(folder.git("rev-list", "--count", "HEAD"), "2");
});

test("a dry run prints the message and commits nothing", async () => {
  using folder = startFolder();
  folder.write("a", "1\n");
  const dry = await folder.type([...plain, "--trailers", "--all", "--dry-run"]);
  assert.equal(dry.stdout, "blog post draft\n\nTask: T-1\nSubtask: 3/5\n");
  assert.match(folder.git("status", "--porcelain"), /\?\? a/);
});

test("what it cannot commit or mark it says, with what to do", async () => {
  using folder = startFolder();
  folder.write("a", "1\n");
  const refused = async (args: readonly string[], exit: number, says: RegExp) => {
    const done = await folder.type(args);
    assert.equal(done.exit, exit, `${args.join(" ")}: ${done.stderr}`);
    assert.match(done.stderr, says);
  };
  await refused(plain, 5, /Nothing is staged.*git add.*--all/);
  await refused([...plain.slice(0, -1), "5/3"], 2, /5\/3 is no progress/);
  await refused([...plain.slice(0, -1), "most"], 2, /"most" is no progress/);
  await refused(["checkpoint", "-m", "x [task:T-2]", "--task", "T-1"], 2, /leave marks out/);
  await refused(["checkpoint", "-m", "x", "--task", "T 1"], 2, /cannot mark a task/);
  await refused(["checkpoint", "-m", "x"], 2, /required option.*--task/);
  folder.write(".git/hooks/pre-commit", "#!/bin/sh\necho 'the linter says no' >&2\nexit 1\n");
  chmodSync(join(folder.path, ".git/hooks/pre-commit"), 0o755);
  await refused([...plain, "--all"], 6, /git made no commit: the linter says no/);
  folder.git("config", "core.hooksPath", "/nowhere");
  await refused(["checkpoint", "-m", "feat: a [x] b", "--task", "T-1", "--all"], 0, /^$/);
  assert.equal(folder.git("log", "-1", "--format=%s"), "feat: a [x] b [task:T-1]");
  rmSync(join(folder.path, ".git"), { recursive: true });
  await refused(plain, 5, /is no git work tree/);
});
