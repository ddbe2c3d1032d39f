import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { fromBytes, fromText, joined, partsOf } from "../../src/work-trees/byte-path.ts";
import {
  type IgnoreRules,
  isIgnored,
  parseIgnoreRules,
} from "../../src/work-trees/ignore-rules.ts";
import { matcherOf } from "../../src/work-trees/wildcard.ts";
import { makeTree } from "./tree.ts";

/** Of what patterns and names are made, so that they often meet. */
const letters = ["a", "b", "-", "]", "!", "#", " ", "\\", ".", "\xe9"] as const;
const name = fc
  .array(fc.constantFrom("a", "b", "ab", ".", "-", "]", "!", "#", " ", "\\", "[", "\xe9"), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(""))
  .filter((each) => !/^\.+$/.test(each) && !/^\.git$/i.test(each));
const piece = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...letters) },
  fc.constantFrom(
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b-]",
    "[a-b]",
    "[]a]",
    "[\\]a]",
    "[[:alpha:]]",
    "[a",
    "[:]",
    "[[:x:]]",
  ),
  fc.constantFrom("/", "/**/", "**/", "/**", "/"),
);
const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
const line = fc
  .tuple(
    fc.constantFrom("", "", "", "!", "/", "\\"),
    pattern,
    fc.constantFrom("", "", "", "/", " ", "\\ ", "\r"),
  )
  .map((parts) => parts.join(""));
const rulesText = fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => lines.join("\n"));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));

/** As the walk decides: from the root down, and what is below an ignored folder is ignored. */
function ignores(path: string, files: readonly IgnoreRules[]): boolean {
  const parts = partsOf(fromBytes(Buffer.from(path, "latin1")));
  let at = fromText("");
  return parts.some((part, index) => {
    at = joined(at, part);
    const above = files.filter(({ folder }) => folder === "" || at.startsWith(`${folder}/`));
    // The folder `a` is really there.
    return isIgnored(at, index < parts.length - 1 || at === "a", above, { left: 1e9 });
  });
}

test("any patterns ignore of any paths exactly what git ignores", () => {
  using tree = makeTree();
  fc.assert(
    fc.property(
      rulesText,
      rulesText,
      fc.array(path, { minLength: 1, maxLength: 20 }),
      (root, inner, paths) => {
        tree.write({
          ".gitignore": Buffer.from(root, "latin1"),
          "a/.gitignore": Buffer.from(inner, "latin1"),
        });
        const all = [...paths, ...paths.map((each) => `a/${each}`)];
        const input = Buffer.from(all.map((each) => `${each}\0`).join(""), "latin1");
        let said: string;
        try {
          said = execFileSync("git", ["check-ignore", "-z", "--stdin", "--no-index"], {
            cwd: tree.path,
            input,
            encoding: "latin1",
            stdio: ["pipe", "pipe", "pipe"],
          });
        } catch (error) {
          // 1: none of them is ignored.
          assert.equal((error as { status?: number }).status, 1, String(error));
          said = "";
        }
        const expected = new Set(said.split("\0"));
        const files = [
          parseIgnoreRules(fromText("a"), inner) ?? assert.fail(),
          parseIgnoreRules(fromText(""), root) ?? assert.fail(),
        ];
        for (const each of all) {
          assert.equal(
            ignores(each, files),
            expected.has(each),
            JSON.stringify({ each, root, inner }),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("no pattern takes longer than its length and the path's allow", () => {
  const budget = { left: 100_000_000 };
  // Its own work, and not what the machine does beside it.
  const began = process.cpuUsage();
  for (const hostile of [
    "*a".repeat(200),
    "**/a".repeat(200),
    "*?".repeat(300),
    "**/*a*".repeat(100),
  ]) {
    assert.equal(
      matcherOf(hostile)("a".repeat(3_000), budget),
      hostile.startsWith("*a") || hostile.startsWith("*?"),
    );
  }
  assert.ok(process.cpuUsage(began).user < 5_000_000);
  assert.equal(matcherOf("**/a*b")("a".repeat(1_000), { left: 10 }), false);
});

test("rules beyond what is followed are refused whole", () => {
  assert.equal(parseIgnoreRules(fromText(""), "a\n".repeat(100_000)), null);
  assert.equal(parseIgnoreRules(fromText(""), "# note\n\n   \na\n")?.rules.length, 1);
});
