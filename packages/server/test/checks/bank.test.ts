import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createBank } from "../../src/checks/bank.ts";
import type { BankCheck } from "../../src/checks/check.ts";
import { resultOf } from "../../src/checks/check.ts";
import { checkFileText, parseCheckFile } from "../../src/checks/check-file.ts";
import { refused } from "../releases/world.ts";

async function startBank() {
  const root = await mkdtemp(join(tmpdir(), "lastgood-bank-"));
  const folder = join(root, "repository/.lastgood/checks");
  const bank = createBank({ folder: () => folder, home: join(root, "home") });
  return {
    ...{ root, folder, bank },
    async put(file: string, text: string) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), text);
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

const check: BankCheck = {
  ...{ name: "router/capitals", artifact: "router", bank: "checks", because: "it was shouted" },
  ...{ incident: "inc_1", atLeast: 0.8 },
  cases: [
    { name: "one", input: { text: "REFUND" }, expected: "refunds", evaluator: { kind: "exact" } },
    { name: "two", input: "x", evaluator: { kind: "regex", pattern: "^a" } },
  ],
};

const git = (folder: string, ...args: string[]) =>
  execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" });

test("a check that is added is a file that people can read, committed in the bank's own git", async () => {
  await using world = await startBank();
  const { bank, folder } = world;
  const stored = await bank.add(check);
  assert.deepEqual(
    [stored.file, stored.committed, stored.already],
    ["router/capitals.yaml", true, false],
  );
  const text = await readFile(join(folder, stored.file), "utf8");
  assert.match(
    text,
    /^artifact: router\nbecause: it was shouted\nincident: inc_1\natLeast: 0.8\nevaluator:\n {2}kind: exact\ncases:\n {2}- name: one\n/,
  );
  assert.deepEqual((await bank.find("router/capitals")).check, check);
  assert.equal(
    git(folder, "log", "--format=%an %s").trim(),
    "lastgood Add the check router/capitals",
  );
  assert.equal(git(folder, "status", "--porcelain"), "");

  const learned = await bank.learned("router", "inc_1");
  assert.deepEqual(learned, { check, file: stored.file });
  assert.equal(await bank.learned("router", "inc_2"), null);
  assert.equal((await bank.add(check)).already, true);
  await assert.rejects(
    bank.add({ ...check, atLeast: 1 }),
    refused("already_exists", /edit that file/),
  );
  await writeFile(join(folder, stored.file), text.replace("0.8", "0.5"));
  assert.equal((await bank.read()).checks[0]?.atLeast, 0.5, "an edit counts at once");
  await bank.add({ ...check, name: "router/other" });
  assert.equal(
    git(folder, "status", "--porcelain").trim(),
    "M router/capitals.yaml",
    "an edit stays its editor's to commit",
  );
});

test("in somebody's work tree the file is theirs to commit, and nothing of theirs is run", async () => {
  await using world = await startBank();
  const { bank, folder, root } = world;
  const repository = join(root, "repository");
  await mkdir(repository, { recursive: true });
  git(repository, "init", "--quiet");
  await writeFile(join(repository, ".git/hooks/pre-commit"), `#!/bin/sh\ntouch ${root}/ran\n`, {
    mode: 0o755,
  });
  assert.equal((await bank.add(check)).committed, false);
  assert.match(
    git(repository, "status", "--porcelain", "-uall"),
    /\?\? .lastgood\/checks\/router\/capitals.yaml/,
  );
  assert.equal(git(folder, "rev-parse", "--show-toplevel").trim(), repository);
});

test("two that add one name at once do not overwrite each other", async () => {
  await using world = await startBank();
  const both = await Promise.allSettled([
    world.bank.add(check),
    world.bank.add({ ...check, because: "another one" }),
  ]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
});

test("a file that is no check is told with what is wrong, and hides no other", async () => {
  await using world = await startBank();
  const { bank, folder, put } = world;
  const good = "artifact: a\ncases: [{ input: 1, expected: 1 }]\n";
  const files: readonly (readonly [string, string, RegExp])[] = [
    ["yaml.yaml", "artifact: a\n  cases: [", /1:11: it is not YAML/],
    ["twice.yaml", `${good}artifact: b\n`, /it is not YAML: Map keys must be unique/],
    ["json.json", "{", /it is not JSON/],
    ["none.yaml", "", /expected object/],
    ["key.yaml", `${good}casez: 1\n`, /casez/],
    ["empty.yaml", "artifact: a\ncases: []\n", /cases: Too small/],
    [
      "expects.yaml",
      "artifact: a\ncases: [{ input: 1 }]\n",
      /cases\.0: it says nothing of what is expected/,
    ],
    [
      "pattern.yaml",
      'artifact: a\nevaluator: { kind: regex, pattern: "(" }\ncases: [{ input: 1 }]\n',
      /Invalid regular expression/,
    ],
    [
      "path.yaml",
      "artifact: a\nevaluator: { kind: json-path, path: a.b }\ncases: [{ input: 1 }]\n",
      /no JSON path/,
    ],
    ["share.yaml", `${good}atLeast: 2\n`, /atLeast/],
    [
      "names.yaml",
      "artifact: a\ncases: [{ name: x, input: 1, expected: 1 }, { name: x, input: 1, expected: 1 }]\n",
      /two cases are called x/,
    ],
    [
      "bomb.yaml",
      `a: &a [x,x]\nb: &b [${"*a,".repeat(60)}]\nc: [${"*b,".repeat(60)}]\n`,
      /aliases/,
    ],
    ["deep.yaml", `cases: ${"[".repeat(20_000)}`, /cannot be read|not YAML/],
    ["sp ace.yaml", good, /its name: write a check's name like/],
    ["good.yml", good, /another file gives a check of this name/],
  ];
  await put("good.yaml", good);
  await put("notes.md", "# what this is\n");
  for (const [file, text] of files) await put(file, text);
  await symlink("/etc/passwd", join(folder, "link.yaml"));
  const { checks, faulty } = await bank.read();
  assert.deepEqual(
    checks.map(({ name }) => name),
    ["good"],
  );
  for (const [file, , says] of [...files, ["link.yaml", "", /a link/] as const]) {
    assert.match(faulty.find((each) => each.file === file)?.says ?? `${file} is not told`, says);
  }
  assert.equal(faulty.length, files.length + 1);
  const about = await bank.read("b");
  assert.deepEqual(about.checks, []);
  assert.ok(
    about.faulty.every(({ artifact }) => artifact === null),
    "what is about another is left out",
  );
  await assert.rejects(
    bank.find("pattern"),
    refused("bad_configuration", /pattern\.yaml is no check/),
  );
  await assert.rejects(bank.find("../home/x"), refused("not_found", /no check/));
});

test("what is written is read again as it was", () => {
  const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(json, json), { minLength: 1, maxLength: 5 }),
      fc.string(),
      (cases, because) => {
        const written: BankCheck = {
          ...{ name: "a", artifact: "a", bank: "adversarial", because, incident: null, atLeast: 1 },
          cases: cases.map(([input, expected], index) => ({
            ...{ name: `${index}`, input, expected, evaluator: { kind: "exact" } },
          })),
        };
        assert.deepEqual(parseCheckFile("a", checkFileText(written), "yaml"), written);
      },
    ),
    { numRuns: 200, examples: [[[[[], JSON.parse('{"__proto__": {}}')]], ""]] },
  );
});

test("a check passes from its share on; what is open decides only where it could", () => {
  const outcomes = (text: string) =>
    [...text].map((each, index) => ({
      ...{ case: `${index}`, score: 0, says: "", answer: "", tookMs: 0 },
      outcome:
        each === "p"
          ? ("pass" as const)
          : each === "f"
            ? ("fail" as const)
            : ("cannot-tell" as const),
    }));
  const of = (text: string, atLeast: number, liar: string | null = null) => {
    const cases = outcomes(text).map(({ case: name }) => ({
      name,
      input: 1,
      evaluator: { kind: "exact" as const },
    }));
    return resultOf({ name: "a", bank: "checks", atLeast, cases }, outcomes(text), liar).outcome;
  };
  assert.equal(of("pppf", 1), "failed");
  assert.equal(of("ppppf", 0.8), "passed");
  assert.equal(of("pppff", 0.8), "failed");
  assert.equal(of("ppp?f", 0.8), "cannot-tell");
  assert.equal(of("pppp?", 0.8), "passed");
  assert.equal(of("pppp", 1, "it lies"), "cannot-tell");
});
