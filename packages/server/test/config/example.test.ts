import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createProgram } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config/load.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import { whyNoCommand } from "../support/command-line.ts";

const root = join(import.meta.dirname, "../../../..");

test("the example is good, and nothing in it is doubtful", async () => {
  const { config, warnings } = await loadConfig(join(root, "examples/lastgood.yaml"));
  assert.deepEqual(warnings, []);
  assert.equal(Object.keys(config.services).length, 3);
});

test("every YAML block of the documentation that is a configuration is good, but for names it leaves out", async () => {
  const files = (await readdir(join(root, "docs"))).filter((file) => file.endsWith(".md"));
  let count = 0;
  for (const file of files) {
    const text = await readFile(join(root, "docs", file), "utf8");
    for (const [, block = ""] of text.matchAll(/```yaml\n([\s\S]*?)```/g)) {
      if (block.includes("# compose.yaml")) continue;
      count += 1;
      const parsed = parseConfig(block);
      const problems = parsed.ok
        ? []
        : parsed.problems.filter(({ message }) => !message.includes("is not declared among"));
      assert.deepEqual(problems, [], `${file}:\n${block}`);
    }
  }
  assert.ok(count >= 3, `${count} blocks were found`);
});

test("every command that the documentation tells is one that there is", async () => {
  const files = (await readdir(join(root, "docs"), { recursive: true })).filter((file) =>
    file.endsWith(".md"),
  );
  const program = createProgram();
  let count = 0;
  for (const file of files) {
    const text = await readFile(join(root, "docs", file), "utf8");
    const lines = [...text.matchAll(/^(?:\$ )?(?:npx )?(lastgood [a-z].*)$/gm)];
    const mentions = [...text.matchAll(/`(?:npx )?(lastgood [a-z][^`]*)`/g)];
    for (const [, line = ""] of [...lines, ...mentions]) {
      count += 1;
      const isMention = !lines.some(([, each]) => each === line);
      const why = whyNoCommand(program, line.replaceAll("\n", " "), { isMention });
      assert.equal(why, null, `${file}: ${line}`);
    }
  }
  assert.ok(count > 40, `${count} were found`);
});
