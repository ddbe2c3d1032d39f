import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePort } from "../../src/free-port.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

const server = `require("http").createServer((request, reply) => {
  console.log(request.url);
  reply.end(process.env.REVISION);
}).listen(process.env.PORT, "127.0.0.1")`;

test("the whole server deploys what is pushed, shows it, takes orders by role, and ends it when told", async () => {
  const repository = await mkdtemp(join(tmpdir(), "lastgood-pushed-"));
  const git = async (...args: readonly string[]) =>
    (await run("git", ["-c", "user.name=B", "-c", "user.email=b@x", ...args], { cwd: repository }))
      .stdout;
  await git("init", "--quiet", "--initial-branch=main");
  await writeFile(join(repository, "server.js"), server);
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "serve");
  const port = await freePort();
  const runtime = { adapter: "process", start: ["node", "server.js"], port };
  try {
    await using started = await startServer({
      repositories: { api: { url: repository, poll: "100ms" } },
      services: { "content-api": { repository: "api", runtime }, elsewhere: {} },
    });
    const { client } = started;
    const first = await until("the first deploy", async () => {
      const found = await client.service("content-api");
      return found.deploy === null ? null : found;
    });
    assert.equal(first.state, "serving");
    assert.equal(first.unhealthy, null);
    const { services } = await client.services();
    assert.deepEqual(
      services.map(({ name, adapter }) => [name, adapter]),
      [
        ["content-api", "process"],
        ["elsewhere", "none"],
      ],
    );
    const change = await client.change(first.deploy ?? "");
    assert.deepEqual([change.layer, change.kind, change.to], ["runtime", "deploy", first.revision]);
    const exposed = await client.changes({ layer: "code" });
    assert.equal(exposed.changes[0]?.exposures[0]?.deploy, first.deploy);

    const viewer = await started.clientAs("viewer");
    await assert.rejects(viewer.deployService("content-api"), { code: "forbidden" });
    await assert.rejects(viewer.stopService("content-api"), { code: "forbidden" });
    await assert.rejects(client.deployService("content-api", { revision: "0".repeat(40) }), {
      code: "not_found",
    });
    await assert.rejects(client.deployService("content-api", { revision: "--upload-pack=x" }), {
      code: "bad_input",
    });
    await assert.rejects(client.service("nothing"), { code: "not_found" });
    await assert.rejects(client.deployService("elsewhere"), { code: "not_found" });
    assert.equal((await client.deployService("content-api")).already, true);
    await fetch(`http://127.0.0.1:${port}/seen-in-the-log`);
    await until("the log", async () => {
      const { text } = await client.serviceLogs("content-api", 10_000);
      return text.includes("/seen-in-the-log") ? text : null;
    });
    assert.equal((await client.stopService("content-api")).stopped, true);
    assert.equal((await client.service("content-api")).state, "stopped");
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    await client.deployService("content-api");
  } finally {
    await rm(repository, { recursive: true, force: true });
  }
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), "the server's stop ended it too");
});
