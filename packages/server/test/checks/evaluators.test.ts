import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import { after, test } from "node:test";
import type { Evaluator, JsonValue } from "@lastgood/sdk";
import { createEvaluators } from "../../src/checks/evaluators.ts";
import { parseJsonPath, select } from "../../src/json/json-path.ts";
import { identify } from "../../src/process-group.ts";

const evaluators = createEvaluators({ base: process.cwd(), environment: process.env });
after(() => evaluators.stop());
const never = new AbortController().signal;

async function judged(evaluator: Evaluator, output: JsonValue, expected?: JsonValue) {
  const { outcome, says } = await evaluators.judge(
    evaluator,
    { input: 1, expected, output },
    never,
  );
  return [outcome, says] as const;
}

const node = (source: string, timeoutMs = 60_000): Evaluator => ({
  ...{ kind: "command", timeoutMs },
  command: [process.execPath, "-e", source],
});

const rows: readonly (readonly [string, Evaluator, JsonValue, JsonValue | undefined, string])[] = [
  ["keys in another order", { kind: "exact" }, { a: 1, b: [2] }, { b: [2], a: 1 }, "pass"],
  ["another value", { kind: "exact" }, "billing", "refunds", "fail"],
  ["nothing expected", { kind: "exact" }, "billing", undefined, "cannot-tell"],
  ["a part", { kind: "exact", at: "$.to.team" }, { to: { team: "x" }, n: 3 }, "x", "pass"],
  ["a part that is missing", { kind: "exact", at: "$.to.team" }, { to: {} }, "x", "fail"],
  ["two parts", { kind: "exact", at: "$..team" }, [{ team: "x" }, { team: "x" }], "x", "fail"],
  ["any of them", { kind: "json-path", path: "$.teams[*]" }, { teams: ["y", "x"] }, "x", "pass"],
  ["none of them", { kind: "json-path", path: "$.teams[*]" }, { teams: ["y"] }, "x", "fail"],
  [
    "it is there",
    { kind: "json-path", path: "$['a b'][-1]" },
    { "a b": [1, 2] },
    undefined,
    "pass",
  ],
  ["it is not there", { kind: "json-path", path: "$.a" }, ["a"], undefined, "fail"],
  ["a text", { kind: "regex", pattern: "^refund", flags: "i" }, "Refunds", undefined, "pass"],
  ["no match", { kind: "regex", pattern: "^refund" }, "Refunds", undefined, "fail"],
  ["near enough", { kind: "numeric", within: 0.1 }, 1.05, 1, "pass"],
  ["the last bit", { kind: "numeric" }, 0.1 + 0.2, 0.3, "pass"],
  ["too far", { kind: "numeric", relative: 0.01 }, 102, 100, "fail"],
  ["a number as text", { kind: "numeric" }, " 12.0 ", 12, "pass"],
  ["no number", { kind: "numeric", within: 1e9 }, "NaN", 12, "fail"],
  ["a number and more", { kind: "numeric", within: 1e9 }, "12 or so", 12, "fail"],
];

test("values are compared as each evaluator says", async () => {
  for (const [what, evaluator, output, expected, outcome] of rows) {
    const [is, says] = await judged(evaluator, output, expected);
    assert.equal(is, outcome, `${what}: ${says}`);
  }
});

test("a JSON path names what RFC 9535 says it names, and what is none is refused with its place", () => {
  const book = { store: { book: [{ price: 1, "a-b": 2 }, { price: 3 }], open: true } };
  const named = (path: string) => select(parseJsonPath(path), book);
  assert.deepEqual(named("$"), [book]);
  assert.deepEqual(named("$.store.book[1].price"), [3]);
  assert.deepEqual(named("$..price"), [1, 3]);
  assert.deepEqual(named("$..[0]['a-b']"), [2]);
  assert.deepEqual(named("$.store.*"), [book.store.book, true]);
  assert.deepEqual(named("$.store.constructor"), []);
  for (const wrong of [
    "",
    "store",
    "$.",
    "$[",
    "$.a b",
    "$[?(@.price<2)]",
    "$[1:2]",
    "$.a..",
    "$[01x]",
  ]) {
    assert.throws(() => parseJsonPath(wrong), /no JSON path/, wrong);
  }
  const wide = Array.from({ length: 400 }, () => Array.from({ length: 400 }, () => 0));
  assert.equal(select(parseJsonPath("$..*"), wide), null);
});

test("a pattern that backtracks without end is stopped, and those behind it are judged", async () => {
  const began = performance.now();
  const [evil, good] = await Promise.all([
    judged({ kind: "regex", pattern: "^(a+)+$" }, `${"a".repeat(40)}!`),
    judged({ kind: "regex", pattern: "b$" }, "ab"),
  ]);
  assert.equal(evil[0], "cannot-tell");
  assert.match(evil[1], /\(a\+\)\+.*was not done within 1000 ms.*backtracks/);
  assert.equal(good[0], "pass");
  assert.ok(performance.now() - began < 60_000);
});

test("a command gets the case on its standard input, and its exit is the answer", async () => {
  const reads = node(
    `const { input, expected, output } = JSON.parse(require("fs").readFileSync(0, "utf8"));
     console.log("input", input); process.exit(output === expected ? 0 : 1)`,
  );
  assert.deepEqual(await judged(reads, "x", "x"), ["pass", "input 1"]);
  assert.equal((await judged(reads, "y", "x"))[0], "fail");
});

test("a command that hangs, floods, crashes, leaves a child behind or cannot be started tells nothing", async () => {
  const cases: readonly (readonly [Evaluator, RegExp])[] = [
    [node("setInterval(() => {}, 1000)", 300), /not done within 300 ms/],
    [{ kind: "command", command: ["yes"], timeoutMs: 60_000 }, /wrote over 1048576 bytes/],
    [node(`process.kill(process.pid, "SIGSEGV")`), /SIGSEGV, which is no answer/],
    [node("process.exit(125)"), /code 125, which is no answer/],
    [{ kind: "command", command: ["/nowhere/at/all"] }, /cannot be started/],
  ];
  const all = await Promise.all(cases.map(([evaluator]) => judged(evaluator, "x", "x")));
  for (const [index, [, says]] of cases.entries()) {
    assert.equal(all[index]?.[0], "cannot-tell");
    assert.match(all[index]?.[1] ?? "", says);
  }
  const leaves = node(
    `const child = require("child_process").spawn("sleep", ["60"], { stdio: "inherit" });
     console.log(child.pid); process.exit(0)`,
  );
  const [outcome, pid] = await judged(leaves, "x");
  assert.equal(outcome, "pass");
  assert.equal(identify(Number(pid)), null, "its child is gone with it");
});

test("a command that lies about its exit is not believed", async () => {
  const lies = node(`console.log(JSON.stringify({ pass: false })); process.exit(0)`);
  const [outcome, says] = await judged(lies, "x");
  assert.deepEqual(outcome, "cannot-tell");
  assert.match(says, /says "pass": false and exits 0/);
  const always = await evaluators.whyNotBelieved(
    node("process.exit(0)"),
    { input: 1, expected: 2 },
    undefined,
    never,
  );
  assert.match(always ?? "", /lets nonsense pass/);
  const short = node(`process.exit(require("fs").readFileSync(0, "utf8").length < 300 ? 0 : 1)`);
  const question = { input: 1, expected: undefined };
  assert.match(
    (await evaluators.whyNotBelieved(short, question, undefined, never)) ?? "",
    /nonsense/,
  );
  assert.equal(await evaluators.whyNotBelieved(short, question, "x".repeat(400), never), null);
});

test("a command gets none of the server's environment but PATH", async () => {
  process.env.LASTGOOD_SECRET_OF_TEST = "s3cret";
  try {
    const tells = node("console.log(JSON.stringify(Object.keys(process.env).sort()))");
    assert.deepEqual(await judged(tells, "x"), ["pass", '["HOME","LANG","PATH"]']);
  } finally {
    delete process.env.LASTGOOD_SECRET_OF_TEST;
  }
});

test("a judge over HTTP is believed when what it says agrees with itself, and bounded in all it does", async () => {
  const say = (body: unknown) => (response: ServerResponse) =>
    void response.end(JSON.stringify(body));
  const ways: Readonly<Record<string, (response: ServerResponse) => void>> = {
    pass: say({ pass: true, says: "fine" }),
    low: say({ score: 0.2 }),
    high: say({ score: 0.8 }),
    both: say({ pass: true, score: 0.1 }),
    beyond: say({ score: 7 }),
    nan: say({ score: "NaN" }),
    nothing: say({}),
    text: (response) => void response.end("fine"),
    broken: (response) => void response.writeHead(500).end("no"),
    away: (response) => void response.writeHead(302, { location: "/pass" }).end(),
    silent: () => {},
    cut: (response) => {
      response.write('{"pass": tr');
      setImmediate(() => response.destroy());
    },
    flood(response) {
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    },
  };
  const server = createServer((request, response) => {
    request.resume();
    const way = ways[request.url?.slice(1) ?? ""];
    assert.ok(way);
    way(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const ask = (way: string) => {
    const timeoutMs = way === "silent" ? 1_500 : 60_000;
    return judged({ kind: "http", url: `http://127.0.0.1:${address.port}/${way}`, timeoutMs }, "x");
  };
  try {
    const said = await Promise.all(
      Object.keys(ways).map(async (way) => [way, ...(await ask(way))] as const),
    );
    const outcomes = Object.fromEntries(said.map(([way, outcome]) => [way, outcome]));
    assert.deepEqual(outcomes, {
      ...{ pass: "pass", low: "fail", high: "pass", both: "cannot-tell", beyond: "cannot-tell" },
      ...{ nan: "cannot-tell", nothing: "cannot-tell", text: "cannot-tell", broken: "cannot-tell" },
      ...{ away: "cannot-tell", silent: "cannot-tell", cut: "cannot-tell", flood: "cannot-tell" },
    });
    const why = Object.fromEntries(said.map(([way, , says]) => [way, says]));
    assert.match(why.silent ?? "", /did not answer within 1500 ms/);
    assert.match(why.flood ?? "", /over 65536 bytes/);
    assert.match(why.both ?? "", /one of the two is not true/);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
