/** What docs/executions.md and docs/gateway.md say can be pasted, line by line. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { startFakeModel } from "./fake-model.ts";

const root = resolve(import.meta.dirname, "../../../..");

async function paste(page: string, env: Readonly<Record<string, string>>): Promise<string> {
  const text = readFileSync(join(root, page), "utf8");
  const lines = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, each = ""]) => each).join("");
  const folder = await mkdtemp(join(tmpdir(), "lastgood-pasted-"));
  try {
    const child = spawn("bash", ["-euo", "pipefail", "-x", "-c", lines], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`, HOME: folder, ...env },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    const code = await new Promise((done) => child.once("close", done));
    assert.equal(code, 0, said);
    return said;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("both pages can be pasted, and come to what they say", async () => {
  await using model = await startFakeModel(() => ({ text: "billing" }));
  const endpoints = { local: { url: `${model.url}/v1`, api: "openai" } };
  await using server = await startServer({ gateway: { port: 0, endpoints } });
  const { client, lastgood } = server;
  const env = { LASTGOOD_URL: lastgood.url, LASTGOOD_TOKEN: await server.tokenAs("operator") };

  const work = await paste("docs/executions.md", env);
  assert.match(work, /1 that failed under refunds:2\.1\.0 are queued again/);
  assert.match(work, /of refunds:2\.0\.3 scores 1\./);
  const { executions } = await client.executions({ artifact: "refunds" });
  assert.deepEqual(
    executions.map(({ version, state, score }) => [version, state, score]),
    [
      ["2.0.3", "finished", 1],
      ["2.1.0", "retried", 0],
    ],
  );

  const asked = await paste("docs/gateway.md", {
    ...env,
    LASTGOOD_GATEWAY: lastgood.gatewayUrl ?? "",
  });
  assert.match(asked, /x-lastgood-release: router:13/i);
  assert.match(asked, /of router:13 scores 1\./);
  assert.match(asked, /"stale":false/);
  assert.equal(model.requests[0]?.body.temperature, 0);
});
