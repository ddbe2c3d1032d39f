import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { startServer } from "../support/server.ts";

const root = resolve(import.meta.dirname, "../../../..");
const page = readFileSync(join(root, "docs/gate.md"), "utf8");
const fences = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    ([, text = ""]) => text,
  );

test("what docs/gate.md says can be pasted, line by line", async () => {
  await using server = await startServer(parse(fences("yaml")[0] ?? ""));
  const child = spawn("bash", ["-euo", "pipefail", "-c", fences("sh").join("")], {
    cwd: server.folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`,
      HOME: server.folder,
      LASTGOOD_URL: server.lastgood.url,
      LASTGOOD_TOKEN: await server.tokenAs("operator"),
    },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const code = await new Promise((done) => child.once("close", done));
  assert.equal(code, 0, said);
  const expected = [
    /ticket-router\/capitals is in the bank \(ticket-router\/capitals\.yaml\)/,
    /ticket-router\/other +ticket-router +checks +1 +json-path/,
    /ticket-router\/capitals +checks +passed +2 of 2\n/,
    /ticket-router\/capitals +checks +failed +1 of 2\n/,
    /shouted: "general" instead of "refunds"\nexit 5/,
    /\nrefuse: the check ticket-router\/capitals fails, which 13 passes: .*\nexit 5\n/,
    /\npromote: 15 against 13: 2 of 2 checks passed; no inputs are recorded/,
    /gate_\w+ +ticket-router:14 +13 +token:operator +\S+ +refuse/,
    /check\.ticket-router\.capitals +0\.5|check\.ticket-router\.capitals0\.5/,
    /"state":"ended".*"kind":"promote"/,
  ];
  for (const each of expected) assert.match(said, each);
  const { check } = await server.client.bankCheck("ticket-router/capitals");
  assert.equal(check.because, "who shouts still wants the money back");
});
