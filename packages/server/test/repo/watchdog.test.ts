import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const watchdog = resolve(import.meta.dirname, "../support/watchdog.ts");

test("a test file that something keeps alive after its tests fails, and holds up no run", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-watchdog-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "leaks.test.mjs");
  await writeFile(
    file,
    `import { createServer } from "node:net";
    import { test } from "node:test";
    test("leaves a server", () => void createServer().listen(0, "127.0.0.1"));`,
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = spawn(process.execPath, ["--import", watchdog, "--test", file], {
    env: { ...env, LASTGOOD_TEST_SILENCE_MS: "500" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said, [code]] = await Promise.all([text(run.stdout), once(run, "close")]);
  assert.equal(code, 1);
  assert.match(said, /no test began or ended for 500 ms; still held: .*TCPServerWrap/);
});
