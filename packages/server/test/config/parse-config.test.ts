import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { configSchema } from "../../src/config/config.ts";
import { cyclesOf } from "../../src/config/graph.ts";
import { type Complaint, parseConfig } from "../../src/config/parse-config.ts";

function problemsOf(text: string): readonly Complaint[] {
  const parsed = parseConfig(text);
  if (parsed.ok) throw new Error(`it was good: ${text.slice(0, 80)}`);
  return parsed.problems;
}

function said(text: string): readonly string[] {
  return problemsOf(text).map(
    ({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`,
  );
}

function goodConfig(text: string) {
  const parsed = parseConfig(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed;
}

test("an empty file is a whole configuration", () => {
  for (const text of ["", "# nothing\n", "{}", "---\n", "agents:\n#  backend: {}\n"]) {
    assert.equal(goodConfig(text).config.mode, "watch");
  }
});

test("every problem of the form is named at once, with its place and what to write", () => {
  const text = `mode: atuo
servces: {}
services:
  content-api:
    ownr: alice
    probes:
      health: { path: health, every: 9999d }
    runtime: { adapter: proces }
  website: 12
rules:
  r: { service: content-api, signal: health, minSamples: 0.5, kind: }
caps: { recoveriesPerDay: many }
`;
  assert.deepEqual(said(text), [
    '1:1 mode: write watch, propose or auto, not "atuo": did you mean auto?',
    "2:1 servces: there is no such setting: did you mean services?",
    "5:5 services.content-api.ownr: there is no such setting: did you mean owner?",
    "7:17 services.content-api.probes.health.path: write a path that begins with /",
    "7:31 services.content-api.probes.health.every: must be between 50ms and 7d",
    "8:16 services.content-api.runtime.adapter: write process or command",
    "9:3 services.website: write settings, one to a line; this is a number",
    "11:46 rules.r.minSamples: write a whole number, not 0.5",
    "11:63 rules.r.kind: write customer-facing or indicator, not null",
    "12:9 caps.recoveriesPerDay: write a number; this is a text",
  ]);
});

test("a setting that is missing is named at the place where it should stand", () => {
  assert.deepEqual(said("repositories:\n  api: { branch: main }\n"), [
    "2:3 repositories.api.url: it is missing: write a text",
  ]);
});

test("names must name something, and the nearest that does is suggested", () => {
  const text = `services:
  content-api:
    owner: alicee
    repository: content
    dependsOn: [postgre, website, content-api]
    sandbox: { check: [npm, test] }
  website: { runtime: { adapter: process, start: [node], port: 80 } }
  postgres: {}
people: { alice: {} }
agents:
  backend: { authors: [a@b.c], dependsOn: [constructor] }
  website: { authors: [A@b.c] }
rules:
  r: { service: contentapi, signal: health, good: {} }
pages: { owner: alic }
messages:
  streams: { s: { subjects: [a], reviewer: backnd } }
  consumers: { c: { agent: frontend, role: writer } }
triage: { freezeAt: 1, actAt: 0.6 }
`;
  assert.deepEqual(said(text), [
    "3:5 services.content-api.owner: alicee is not declared among people or agents: did you mean alice?",
    "4:5 services.content-api.repository: content is not declared among repositories: declare it there, or take it out",
    "5:17 services.content-api.dependsOn[0]: postgre is not declared among services or agents: did you mean postgres?",
    "5:35 services.content-api.dependsOn[2]: content-api depends on itself: take it out",
    "7:3 services.website: website is an agent too: give one of the two another name, for dependsOn could mean either",
    "7:14 services.website.runtime: it runs revisions of a repository, and none is named: set services.website.repository",
    "11:44 agents.backend.dependsOn[0]: constructor is not declared among services or agents: declare it there, or take it out",
    "12:24 agents.website.authors[0]: A@b.c is the agent backend's already: a commit has one author",
    "14:8 rules.r.service: contentapi is not declared among services: did you mean content-api?",
    "14:45 rules.r.good: say atMost, atLeast, or both",
    "15:10 pages.owner: alic is not declared among people: did you mean alice?",
    "17:34 messages.streams.s.reviewer: backnd is not declared among agents: did you mean backend?",
    "18:16 messages.consumers.c: it belongs to an agent or to a role: name one of them",
    "18:21 messages.consumers.c.agent: frontend is not declared among agents: declare it there, or take it out",
    "18:38 messages.consumers.c.role: writer is not declared among the roles of agents: declare it there, or take it out",
    "19:11 triage.freezeAt: it is above actAt (0.6): what is sure enough to act on is sure enough to freeze on",
  ]);
});

test("cycles of dependsOn are said, each once, and do not refuse the file", () => {
  const { warnings } = goodConfig(
    "services:\n  a: { dependsOn: [b] }\n  b: { dependsOn: [c] }\n  c: { dependsOn: [a] }\n  d: { dependsOn: [a] }\n",
  );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]?.message ?? "", /^a -> b -> c -> a is a cycle/);
  assert.deepEqual(warnings[0]?.line, 2);
});

test("a graph has cycles exactly when following dependsOn can come back", () => {
  const names = ["a", "b", "c", "d", "e"];
  const graph = fc.array(fc.subarray(names), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(graph, (edges) => {
      const services = Object.fromEntries(
        names.map((name, index) => [name, { dependsOn: edges[index] ?? [] }]),
      );
      const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
        (services[from]?.dependsOn ?? []).some(
          (next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))),
        );
      const cycles = cyclesOf(configSchema.parse({ services }));
      for (const cycle of cycles) {
        assert.equal(cycle[0], cycle.at(-1));
        for (const [index, name] of cycle.slice(1).entries()) {
          assert.ok(services[cycle[index] ?? ""]?.dependsOn.includes(name));
        }
      }
      for (const name of names.filter((each) => reaches(each, each))) {
        assert.ok(
          cycles.some((cycle) => cycle.includes(name)),
          `${name} is on a cycle`,
        );
      }
      assert.equal(
        cycles.length > 0,
        names.some((name) => reaches(name, name)),
      );
    }),
  );
});

test("what is not YAML, hides, repeats itself or multiplies is refused with its place", () => {
  const cases: readonly [string, RegExp][] = [
    ["mode: [watch", /^1:13 : it is not YAML/],
    ["mode: watch\nmode: auto\n", /^2:1 mode: it is written twice/],
    ["people:\n  __proto__: {}\n", /^2:3 __proto__: it cannot be a name/],
    ["a: &a [1]\n---\nb: 1\n", /it is not YAML/],
    ["agents: &a { x: *a }\n", /1:14 agents\.x\.x: there is no such setting/],
    ["services: { 'a b': {} }\n", /1:13 services\.a b: this name cannot be used: write a name/],
    ["people: { alice: { pagerduty: R0UT1NG-key } }\n", /name of an environment variable/],
    ["people: { alice: { webhook: 'ftp://x' } }\n", /http or https URL/],
    ["? { a: 1 }\n: 2\n", /1:3 : a list or mapping cannot be a name/],
    ["- 1\n", /1:1 : write settings, one to a line; this is a list/],
    ["42\n", /write settings/],
  ];
  for (const [text, expected] of cases) assert.match(said(text).join("\n"), expected, text);
});

test("a bomb of aliases is refused before it goes off", () => {
  const levels = Array.from({ length: 12 }, (_, i) =>
    i === 0 ? "a0: &a0 [x, x, x, x, x, x, x, x]" : `a${i}: &a${i} [${`*a${i - 1}, `.repeat(8)}]`,
  );
  const began = performance.now();
  assert.match(said(`${levels.join("\n")}\n`).join("\n"), /aliases multiply/);
  assert.match(said(`a: &a x\nb: [${"*a, ".repeat(101)}]\n`).join("\n"), /101 aliases/);
  assert.ok(performance.now() - began < 2_000);
});

test("files that are huge, or nest without end, are refused in bounded time", () => {
  const began = performance.now();
  assert.match(said(`#${"x".repeat(1_048_576)}`).join("\n"), /larger than 1048576 bytes/);
  assert.match(said(`mode: ${"&".repeat(10_000)}`).join("\n"), /1:1 : the line has over 8192/);
  for (const unit of ["[", "{a: ", "- ", "? "]) {
    assert.equal(problemsOf(unit.repeat(2_000)).length > 0, true, unit);
  }
  assert.ok(performance.now() - began < 5_000);
});

test("whatever is written, it is good or named with a place, and never thrown", () => {
  const word = fc.constantFrom(
    ...[
      "mode",
      "watch",
      "services",
      "a",
      "b",
      "dependsOn",
      "people",
      "rules",
      "service",
      "1",
      "null",
    ],
    ...[
      "repositories",
      "url",
      "- ",
      "[",
      "]",
      "{",
      "}",
      ": ",
      "\n",
      "\n  ",
      "\n    ",
      "&x ",
      "*x",
      "#",
    ],
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const parsed = parseConfig(words.join(""));
      if (parsed.ok) return;
      assert.ok(parsed.problems.length > 0);
      for (const { line, column, message } of parsed.problems) {
        assert.ok(line >= 1 && column >= 1 && message.length > 0);
      }
    }),
    { numRuns: 300 },
  );
});

test("spans that a timer could not wait for are refused", () => {
  assert.match(said("repositories: { a: { url: x, poll: 30d } }").join(), /between 100ms and 7d/);
  assert.match(said("repositories: { a: { url: x, poll: 0ms } }").join(), /between 100ms and 7d/);
});

test("how often what serves is held to the bank is a span, or never", () => {
  const live = (every: string) =>
    `gate:\n  router:\n    run: { command: [node, answer.mjs] }\n    live: { every: ${every} }\n`;
  for (const every of ["1s", "1h", "never"]) {
    assert.ok(goodConfig(live(every)).config.gate.router?.live.every);
  }
  for (const every of ["off", "10ms", "8d"]) {
    assert.deepEqual(said(live(every)), [
      "4:13 gate.router.live.every: write a span of time from 1s to 7d, or never",
    ]);
  }
});

test("what learned checks leave out is refused where it is no path, or all of the input", () => {
  const text = `gate:
  router:
    run: { command: [node, answer.mjs] }
    learn: { drop: ["customer.name", "$", "$.a[?(@.b)]"] }
`;
  const [first = "", second = "", third = ""] = said(text);
  assert.match(first, /^4:21 gate\.router\.learn\.drop\[0\]: "customer\.name" is no JSON path/);
  assert.match(second, /^4:38 gate\.router\.learn\.drop\[1\]: \$ is all of the input/);
  assert.match(third, /^4:43 gate\.router\.learn\.drop\[2\]: .*there is something else at 4/);
});
