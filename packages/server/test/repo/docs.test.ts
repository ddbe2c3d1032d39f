import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { createProgram } from "../../src/cli/program.ts";
import { whyNoCommand } from "../support/command-line.ts";

const root = resolve(import.meta.dirname, "../../../..");

function pages(): readonly string[] {
  const below = ["docs", "examples"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .map((file) => join(folder, file)),
  );
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...below];
}

/** Lines of shell fences, with those that a backslash joins. */
function shellLines(markdown: string): readonly string[] {
  const fences = [...markdown.matchAll(/^```(?:sh|bash)\n(.*?)^```/gms)].map(
    ([, text = ""]) => text,
  );
  return fences.flatMap((text) => text.replaceAll(/\\\n\s*/g, " ").split("\n"));
}

test("every command of ours in a document's shell lines is one that the command line takes", () => {
  const program = createProgram();
  const wrong: string[] = [];
  let seen = 0;
  for (const page of pages()) {
    for (const line of shellLines(readFileSync(join(root, page), "utf8"))) {
      const [, command] = /^(?:npx )?(lastgood .*)$/.exec(line.trim()) ?? [];
      if (command === undefined) continue;
      seen += 1;
      const why = whyNoCommand(program, command.replace(/\s+[|>&].*$/, ""));
      if (why !== null) wrong.push(`${page}: ${line}: ${why}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(seen > 50, `only ${seen} commands were found`);
});

test("every link inside the documents leads to something", () => {
  const broken: string[] = [];
  for (const page of pages()) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)) {
      if (!existsSync(resolve(root, dirname(page), target))) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});
