import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createGit } from "../../src/git/git.ts";
import { oneAtATime } from "../../src/git/one-at-a-time.ts";
import { createMirrors } from "../../src/git/open-mirrors.ts";
import { createOrigin, signal } from "./world.ts";

function temporary(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "lastgood-git-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A server that takes connections and never says a word. */
async function silent(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createSocket((socket) => socket.on("error", () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const running = (text: string) =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(text) && !line.startsWith("ps"));

test("a remote that says nothing is left at the deadline, and its whole process group ends", async () => {
  using folder = temporary();
  await using server = await silent();
  const git = createGit(folder.path);
  const url = `http://127.0.0.1:${server.port}/x.git`;
  await assert.rejects(git.run(["ls-remote", url], { deadlineMs: 300 }), { code: "timed_out" });
  assert.deepEqual(running(url), []);
});

test("an abort ends git at once with the caller's reason", async () => {
  using folder = temporary();
  await using server = await silent();
  const git = createGit(folder.path);
  const url = `http://127.0.0.1:${server.port}/y.git`;
  const stopping = new AbortController();
  const listing = git.run(["ls-remote", url], { signal: stopping.signal });
  stopping.abort(new Error("stopped by hand"));
  await assert.rejects(listing, /stopped by hand/);
  assert.deepEqual(running(url), []);
});

test("output beyond its bound ends git instead of filling memory", async () => {
  using folder = temporary();
  const git = createGit(folder.path);
  await assert.rejects(git.run(["help", "--all"], { bytesMax: 100 }), { code: "too_large" });
});

test("a secret is sent to its remote alone, and is in no argument", async () => {
  using folder = temporary();
  const asked: { readonly path: string; readonly authorization: string | undefined }[] = [];
  let seen = "";
  const other = createServer((request, response) => {
    asked.push({ path: `other ${request.url}`, authorization: request.headers.authorization });
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const server = createServer((request, response) => {
    const { authorization } = request.headers;
    asked.push({ path: request.url ?? "", authorization });
    seen += execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
    if (authorization === undefined) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    } else {
      response.writeHead(302, { location: `${elsewhere}${request.url}` }).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.CODE_TEST_SECRET = "ann:hunter2";
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`;
    const mirrors = await createMirrors({
      home: folder.path,
      base: folder.path,
      settingsOf: async (name) => ({ name, url, branch: "main", credentials: "CODE_TEST_SECRET" }),
    });
    const mirror = await mirrors.of("x");
    await assert.rejects(mirror.fetch(signal), (error: Error) => {
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
    const basic = `Basic ${Buffer.from("ann:hunter2").toString("base64")}`;
    assert.deepEqual(
      asked.map(({ authorization }) => authorization),
      [undefined, basic],
      "asked once, told once, and not sent on by the redirect",
    );
    assert.ok(!seen.includes("hunter2"));
  } finally {
    delete process.env.CODE_TEST_SECRET;
    server.close();
    other.close();
  }
});

test("credentials that would travel in the clear, or are not set, are refused", async () => {
  using folder = temporary();
  const open = (url: string) =>
    createMirrors({
      home: folder.path,
      base: folder.path,
      settingsOf: async (name) => ({ name, url, branch: "main", credentials: "CODE_TEST_UNSET" }),
    }).then((mirrors) => mirrors.of("x"));
  await assert.rejects(open("http://example.com/x.git"), {
    code: "bad_configuration",
    message: /unencrypted/,
  });
  await assert.rejects(open("https://example.com/x.git"), {
    code: "bad_configuration",
    message: /CODE_TEST_UNSET/,
  });
});

test("git's own configuration, wherever it is, is not read", async () => {
  using folder = temporary();
  const canary = join(folder.path, "sang");
  const config = join(folder.path, "gitconfig");
  writeFileSync(
    config,
    `[alias]\n\tsing = "!touch ${canary}"\n[core]\n\tpager = touch ${canary}\n`,
  );
  process.env.GIT_CONFIG_GLOBAL = config;
  process.env.GIT_CONFIG_SYSTEM = config;
  try {
    const git = createGit(folder.path);
    await assert.rejects(git.run(["sing"]), /not a git command/);
    assert.equal(await git.text(["config", "--get", "core.pager"], { answers: [0, 1] }), "");
  } finally {
    delete process.env.GIT_CONFIG_GLOBAL;
    delete process.env.GIT_CONFIG_SYSTEM;
  }
});

test("a checkout gives the committed bytes and modes, whatever attributes ask for", async () => {
  using folder = temporary();
  const origin = createOrigin(folder.path);
  writeFileSync(join(origin.clone, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(origin.clone, "run.sh"), 0o755);
  const commit = origin.commit(
    {
      "a.txt": "one\ntwo\n",
      "id.txt": "$Id$\n",
      ".gitattributes": "a.txt eol=crlf\nid.txt ident\n",
    },
    "begin",
  );
  origin.push();
  const mirrors = await createMirrors({
    home: folder.path,
    base: folder.path,
    settingsOf: async (name) => ({ name, url: "./api.git", branch: "main" }),
  });
  const mirror = await mirrors.of("api");
  assert.equal(await mirror.tip(), null);
  assert.equal(await mirror.fetch(signal), commit);
  assert.equal(await mirror.tip(), commit);
  const out = join(folder.path, "out");
  await mirror.checkout(commit, out, signal);
  assert.equal(readFileSync(join(out, "a.txt"), "utf8"), "one\ntwo\n");
  assert.equal(readFileSync(join(out, "id.txt"), "utf8"), "$Id$\n");
  const { statSync, existsSync } = await import("node:fs");
  assert.equal(statSync(join(out, "run.sh")).mode & 0o111, 0o111);
  assert.equal(existsSync(join(out, ".git")), false);
  await assert.rejects(mirror.commit("f".repeat(40)), { code: "not_found" });
  await assert.rejects(mirror.commit("main"), { code: "bad_input" });
  await assert.rejects(mirror.readFile(commit, "a.txt", 3), { code: "too_large" });
  assert.equal(await mirror.readFile(commit, "missing", 3), null);
});

test("maintenance packs, keeps what is planned, and forgets plans that are old", async () => {
  using folder = temporary();
  const origin = createOrigin(folder.path);
  origin.commit({ a: "1\n" }, "begin");
  const bad = origin.commit({ a: "2\n" }, "bad");
  origin.push();
  const mirrors = await createMirrors({
    home: folder.path,
    base: folder.path,
    settingsOf: async (name) => ({ name, url: "./api.git", branch: "main" }),
  });
  const mirror = await mirrors.of("api");
  const tip = (await mirror.fetch(signal)) ?? "";
  const planned = async (at: Date) => {
    const request = { tip, commits: [bad], at, message: () => "undo" };
    const revert = await mirror.computeRevert(request, signal);
    assert.equal(revert.kind, "reverted");
    const commit = revert.kind === "reverted" ? revert.commit : "";
    await mirror.keep("plans", commit);
    return commit;
  };
  const old = await planned(new Date("2020-01-01"));
  const fresh = await planned(new Date("2026-01-01"));
  await mirror.maintain(new Date("2025-01-01"), signal);
  const { run } = await import("./world.ts");
  const refs = run(
    join(folder.path, "repositories/api.git"),
    "for-each-ref",
    "--format=%(refname)",
  );
  assert.ok(refs.includes(fresh) && !refs.includes(old), refs);
});

test("a repository of SHA-256 ids is mirrored as one", async () => {
  using folder = temporary();
  const { run } = await import("./world.ts");
  const work = join(folder.path, "work");
  run(folder.path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", work);
  writeFileSync(join(work, "a"), "a\n");
  run(work, "add", "a");
  run(work, "-c", "user.email=a@b", "-c", "user.name=a", "commit", "--quiet", "-m", "begin");
  const mirrors = await createMirrors({
    home: folder.path,
    base: folder.path,
    settingsOf: async (name) => ({ name, url: work, branch: "main" }),
  });
  const tip = await (await mirrors.of("x")).fetch(signal);
  assert.equal(tip?.length, 64);
});

test("whoever asks during a run is answered by the next one, and the last to leave ends it", async () => {
  const runs: PromiseWithResolvers<number>[] = [];
  const aborted: boolean[] = [];
  const ask = oneAtATime((ending) => {
    const run = Promise.withResolvers<number>();
    const index = runs.push(run) - 1;
    ending.addEventListener("abort", () => {
      aborted[index] = true;
      run.reject(ending.reason);
    });
    return run.promise;
  }, 60_000);
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const first = ask(one.signal);
  await Promise.resolve();
  await Promise.resolve();
  const second = ask(two.signal);
  const third = ask(three.signal);
  assert.equal(runs.length, 1);
  runs[0]?.resolve(1);
  assert.equal(await first, 1);
  while (runs.length < 2) await Promise.resolve();
  two.abort(new Error("two left"));
  await assert.rejects(second, /two left/);
  assert.equal(aborted[1], undefined, "three still waits");
  three.abort(new Error("three left"));
  await assert.rejects(third, /three left/);
  assert.equal(aborted[1], true);
});
