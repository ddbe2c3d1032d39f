import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { startServer } from "../support/server.ts";

const config = {
  services: { "content-api": {} },
  rules: { publishing: { service: "content-api", signal: "publish" } },
};
const cli = join(import.meta.dirname, "../../src/cli/cli.ts");

async function lastgood(
  environment: Record<string, string>,
  args: readonly string[],
  input = "",
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--conditions=development", cli, ...args], {
    env: { ...process.env, ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

test("samples sent from the command line are judged, shown, and refused with what to do", async () => {
  await using server = await startServer(config);
  const environment = {
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("operator"),
  };
  const line = JSON.stringify({ service: "content-api", signal: "publish", ok: true });
  const sent = await lastgood(
    environment,
    ["samples", "send", "--file", "-"],
    `${line}\n`.repeat(25),
  );
  assert.deepEqual([sent.code, sent.stdout], [0, "Accepted 25; no rule judges 0 of them.\n"]);

  const shown = await lastgood(environment, ["signals", "--json"]);
  const status = JSON.parse(shown.stdout) as { rules: { rule: string; verdict: string }[] };
  assert.deepEqual(
    status.rules.map(({ rule, verdict }) => [rule, verdict]),
    [["publishing", "hold"]],
  );
  const unknown = await lastgood(environment, ["signals", "show", "nothing"]);
  assert.equal(unknown.code, 3);
  assert.match(unknown.stderr, /No rule nothing is in force: `lastgood signals` lists them/);
  const empty = await lastgood(environment, ["samples", "send", "--service", "content-api"]);
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /--ok or --value/);
});
