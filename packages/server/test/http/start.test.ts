import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { findProcess } from "../../src/store/process-table.ts";

const bin = resolve(import.meta.dirname, "../../bin/lastgood.js");

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly pid: number;
  readonly url: string;
  readonly out: string;
  readonly err: string;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

interface Place extends AsyncDisposable {
  readonly home: string;
  start(...args: string[]): Promise<Running>;
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ran>;
}

/** A folder of its own, in which commands run as a person runs them. */
async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-start-"));
  await chmod(folder, 0o755);
  const home = join(folder, "home");
  const environment = { ...process.env, LASTGOOD_HOME: home, DATABASE_URL: undefined };
  const left = new Set<Running>();

  function launch(args: readonly string[]) {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      said.out += chunk.toString();
      child.emit("said");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      said.err += chunk.toString();
    });
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, said, ended };
  }

  return {
    home,
    async run(...args) {
      const { said, ended } = launch(args);
      return { code: await ended, ...said };
    },
    async start(...args) {
      const { child, said, ended } = launch(["start", "--port", "0", ...args]);
      while (!said.out.includes("doctor")) {
        const event = await Promise.race([once(child, "said"), ended.then(() => null)]);
        if (event === null) throw new Error(`it ended: ${said.err}`);
      }
      const running: Running = {
        pid: child.pid ?? -1,
        url: /at (http:\S+)/.exec(said.out)?.[1] ?? "",
        get out() {
          return said.out;
        },
        get err() {
          return said.err;
        },
        async kill(signal) {
          left.delete(running);
          child.kill(signal);
          return await ended;
        },
      };
      left.add(running);
      return running;
    },
    async [Symbol.asyncDispose]() {
      for (const running of left) await running.kill("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** How many threads help V8 in this process. */
async function v8Helpers(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const names = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/comm`, "utf8")),
  );
  return names.filter((name) => name.startsWith("V8Worker")).length;
}

async function postgresPid(home: string): Promise<number> {
  return Number.parseInt(await readFile(join(home, "postgres/data/postmaster.pid"), "utf8"), 10);
}

test("start says where it is, who may call it, and what to try; SIGTERM ends all of it", async () => {
  await using place = await makePlace();
  const server = await place.start();
  assert.match(server.out, /^Lastgood is at http:\/\/127\.0\.0\.1:\d+$/m);
  assert.ok(server.out.includes(join(place.home, "admin.token")));
  const tries = server.out.split("\n").filter((line) => line.includes("npx lastgood"));
  assert.deepEqual(
    tries.map((line) => line.trim().split("  ")[0]),
    ["npx lastgood drill run september", "npx lastgood init", "npx lastgood doctor"],
  );
  assert.equal((await stat(join(place.home, "admin.token"))).mode & 0o777, 0o600);
  // With more of them than cores, whoever answers requests waits for one that has none.
  const helpers = await v8Helpers(server.pid);
  assert.ok(helpers <= Math.max(1, availableParallelism() - 1), `${helpers} threads help V8`);

  const listed = await place.run("--url", server.url, "token", "list", "--json");
  assert.equal(listed.code, 0, listed.err);
  assert.equal(JSON.parse(listed.out).tokens.length, 1);

  const postgres = await postgresPid(place.home);
  assert.equal(await server.kill("SIGTERM"), 0);
  assert.equal(await findProcess(postgres), null);
});

test("the same home has one server; another port's or home's fault says what to do", async () => {
  await using place = await makePlace();
  const server = await place.start();
  const again = await place.run("start", "--port", "0");
  assert.equal(again.code, 5);
  assert.match(again.err, new RegExp(`process ${server.pid} .*--home.*already_open`, "s"));

  const { port } = new URL(server.url);
  const taken = await place.run("start", "--port", port, "--home", `${place.home}-other`);
  assert.equal(taken.code, 5);
  assert.match(taken.err, new RegExp(`127.0.0.1:${port} is taken.*--port 0`, "s"));
  await assert.rejects(stat(`${place.home}-other`), { code: "ENOENT" });

  for (const wrong of [
    ["--port", "seven"],
    ["--port", "70000"],
    ["--log-level", "loud"],
  ]) {
    const refused = await place.run("start", ...wrong);
    assert.equal(refused.code, 2, wrong.join(" "));
    assert.match(refused.err, /bad_input/);
  }
});

test("the first token is made once, and again only when it was lost", async () => {
  await using place = await makePlace();
  const file = join(place.home, "admin.token");
  const first = await place.start();
  const token = await readFile(file, "utf8");
  await first.kill("SIGTERM");
  const second = await place.start();
  assert.equal(await readFile(file, "utf8"), token);
  await second.kill("SIGTERM");

  await rm(file);
  const third = await place.start();
  assert.notEqual(await readFile(file, "utf8"), token);
  const listed = await place.run("--url", third.url, "token", "list", "--json");
  const { tokens } = JSON.parse(listed.out) as { tokens: { revokedAt: string | null }[] };
  assert.deepEqual(
    tokens.map((each) => each.revokedAt !== null),
    [false, true],
  );
});

/** A token that is known to the server's store, and nowhere else. */
async function tokenOfAlice(place: Place, { url }: Running): Promise<string> {
  const asked = ["token", "create", "--role", "viewer", "--name", "alice"];
  const made = await place.run("--url", url, ...asked);
  assert.equal(made.code, 0, made.err);
  return made.out.trim();
}

test("a server killed with -9 comes up on what it left", async () => {
  await using place = await makePlace();
  const killed = await place.start();
  const token = await tokenOfAlice(place, killed);
  await killed.kill("SIGKILL");

  const server = await place.start(
    "--log-level",
    "info",
    "--log-file",
    join(place.home, "log.json"),
  );
  const asAlice = await place.run("--url", server.url, "--token", token, "changes");
  assert.equal(asAlice.code, 0, asAlice.err);
  const [line = ""] = (await readFile(join(place.home, "log.json"), "utf8")).split("\n");
  assert.equal(typeof JSON.parse(line).msg, "string");
  assert.equal(server.err.includes("{"), false);
});

test("a backup of a running server restores, and neither overwrites what is there", async () => {
  await using place = await makePlace();
  const server = await place.start();
  const token = await tokenOfAlice(place, server);
  const folder = join(place.home, "../backup");
  const saved = await place.run("backup", folder);
  assert.equal(saved.code, 0, saved.err);
  assert.equal((await place.run("backup", folder)).code, 5);
  assert.equal((await fetch(`${server.url}/health`)).status, 200);

  const elsewhere = ["--home", `${place.home}-restored`];
  const restored = await place.run("restore", folder, ...elsewhere);
  assert.equal(restored.code, 0, restored.err);
  assert.equal((await place.run("restore", folder, ...elsewhere)).code, 5);
  const other = await place.start(...elsewhere);
  const still = await place.run("--url", other.url, "--token", token, "changes");
  assert.equal(still.code, 0, still.err);
});
