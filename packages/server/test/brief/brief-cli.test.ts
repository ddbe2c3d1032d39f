import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Brief, BriefText } from "@lastgood/sdk";
import { startServer } from "../support/server.ts";

const program = join(import.meta.dirname, "../../bin/lastgood.js");

test("a brief and an inbox on the command line", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const env = {
    PATH: process.env.PATH,
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("admin"),
  };
  const type = async (...args: readonly string[]) =>
    (
      await promisify(execFile)(process.execPath, ["--conditions=development", program, ...args], {
        ...{ env, encoding: "utf8", timeout: 30_000 },
      })
    ).stdout;
  assert.match(await type("inbox", "marketing"), /^Nothing waits for marketing\.\n$/);
  await server.client.publishMessage({ agent: "marketing", id: "m-1", payload: { say: "hello" } });
  assert.match(
    await type("inbox", "marketing"),
    /m-1 .* token:admin +waiting +0 +\{"say":"hello"\}/,
  );
  const text = await type("brief", "marketing");
  assert.match(text, /^# Brief of marketing\n/);
  assert.match(text, /Nothing to resume: .*1 message waiting/);
  const brief = JSON.parse(await type("brief", "marketing", "--json")) as Brief;
  assert.deepEqual(
    brief.messages.map(({ id }) => id),
    ["m-1"],
  );
  const short = JSON.parse(
    await type("brief", "marketing", "--json", "--markdown", "--max-tokens", "120"),
  ) as BriefText;
  assert.ok(short.tokens <= 120 && short.cut.length > 0, JSON.stringify(short));
  const again = await server.client.fetchMessages("marketing-durable-v1");
  assert.equal(again.messages[0]?.deliveries, 1, "looking took nothing");
});
