import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { createOrigin } from "./world.ts";

const bin = join(import.meta.dirname, "../../bin/lastgood.js");

test("a repository is registered, watched, told of pushes and let go, over HTTP and by command", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-routes-"));
  const origin = createOrigin(folder);
  const first = origin.commit({ a: "1\n" }, "begin");
  origin.push();
  await using server = await startServer();
  const { client } = server;
  const token = await server.tokenAs("admin");
  const lastgood = async (...args: readonly string[]) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=development", bin, "--url", server.lastgood.url, "--token", token, ...args],
      { encoding: "utf8" },
    );
    return stdout;
  };
  const added = JSON.parse(await lastgood("repositories", "add", "api", origin.url, "--json"));
  assert.equal(added.state, "watching");
  assert.equal(added.tip, first);
  assert.match(await lastgood("repositories"), /api +main +[0-9a-f]{12} +watching/);

  const second = origin.commit({ a: "2\n" }, "next");
  origin.push();
  assert.match(await lastgood("repositories", "pushed", "api"), new RegExp(second.slice(0, 12)));
  const { changes } = await client.changes({ target: "api" });
  assert.deepEqual(
    changes.map(({ to }) => to),
    [second, first],
  );
  const commit = await client.commit("api", second.slice(0, 8));
  assert.equal(commit.change, changes[0]?.id);
  assert.equal(commit.onBranch, true);
  assert.equal(commit.barred, null);
  assert.match(await lastgood("bars"), /Nothing is barred/);

  await assert.rejects(client.addRepository({ name: "api", url: origin.url }), {
    code: "already_exists",
  });
  await client.removeRepository("api");
  await assert.rejects(client.repository("api"), { code: "not_found" });
  rmSync(folder, { recursive: true });
});

test("a bad repository is refused with its reason, and leaves nothing behind", async () => {
  await using server = await startServer();
  const { client } = server;
  mkdirSync(join(server.folder, "plain"));
  const refused: readonly (readonly [Parameters<typeof client.addRepository>[0], string])[] = [
    [{ name: "a", url: "ext::sh -c id" }, "bad_configuration"],
    [{ name: "a", url: "https://u:p@host/x" }, "bad_configuration"],
    [{ name: "a", url: "./missing.git" }, "layer_unreachable"],
    [{ name: "a", url: "./plain" }, "layer_unreachable"],
    [{ name: "../a", url: "./x" }, "bad_input"],
    [{ name: "a", url: "./x", branch: "--upload-pack=id" }, "bad_input"],
    [{ name: "a", url: "./x", branch: "a..b" }, "bad_input"],
    [{ name: "a", url: "https://host/x", credentials: "DATABASE_URL" }, "bad_input"],
    [{ name: "a", url: "./x", poll: "soon" }, "bad_input"],
    [{ name: "a", url: "" }, "bad_input"],
  ];
  for (const [body, code] of refused) {
    await assert.rejects(client.addRepository(body), { code }, JSON.stringify(body));
  }
  assert.deepEqual(await client.repositories(), { repositories: [] });
  await assert.rejects(client.commit("api", "HEAD"), { code: "bad_input" });
  await assert.rejects(client.repositoryPushed("nothing"), { code: "not_found" });
  const id = "00000000-0000-7000-8000-000000000000";
  await assert.rejects(client.liftBar(id, "because"), { code: "not_found" });
  await assert.rejects(client.liftBar(id, " "), { code: "bad_input" });
});

test("who may not is told so", async () => {
  await using server = await startServer();
  const viewer = await server.clientAs("viewer");
  const operator = await server.clientAs("operator");
  const agent = await server.clientAs("agent", "backend");
  const body = { name: "a", url: "./a.git" };
  await assert.rejects(operator.addRepository(body), { code: "forbidden" });
  await assert.rejects(viewer.repositoryPushed("a"), { code: "forbidden" });
  const id = "00000000-0000-7000-8000-000000000000";
  await assert.rejects(agent.liftBar(id, "mine"), { code: "forbidden" });
  assert.deepEqual(await viewer.bars(), { bars: [] });
});

test("a forge's webhook is believed only when it is signed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-hook-"));
  const origin = createOrigin(folder);
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  process.env.CODE_TEST_HOOK = "between us";
  await using server = await startServer({
    repositories: {
      api: { url: origin.url, poll: "1h", hookSecret: "CODE_TEST_HOOK" },
      other: { url: origin.url, poll: "1h" },
    },
  });
  await server.client.repositoryPushed("api", { wait: true });
  const pushed = origin.commit({ a: "2\n" }, "pushed");
  origin.push();
  const body = JSON.stringify({ ref: "refs/heads/main" });
  const post = async (name: string, headers: Record<string, string>) =>
    (
      await fetch(`${server.lastgood.url}/v1/hooks/repositories/${name}`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
      })
    ).status;
  const signature = (text: string) => createHmac("sha256", "between us").update(text).digest("hex");
  assert.equal(await post("api", {}), 401);
  assert.equal(await post("api", { "x-hub-signature-256": `sha256=${signature("other")}` }), 401);
  assert.equal(await post("api", { "x-gitlab-token": "between them" }), 401);
  assert.equal(await post("other", { "x-gitlab-token": "" }), 401);
  assert.equal(await post("nothing", { "x-gitlab-token": "between us" }), 401);
  assert.equal(await post("api", { "x-hub-signature-256": `sha256=${signature(body)}` }), 202);
  await until("the watch to look", async () => {
    return (await server.client.repository("api")).tip === pushed;
  });
  assert.equal(await post("api", { "x-gitea-signature": signature(body) }), 202);
  assert.equal(await post("api", { "x-gitlab-token": "between us" }), 202);
  delete process.env.CODE_TEST_HOOK;
  rmSync(folder, { recursive: true });
});
