import assert from "node:assert/strict";
import { test } from "node:test";
import { readLangfuse } from "../../src/cli/langfuse.ts";

const prompt = (name: string, version: number, rest: object = {}) => ({
  ...{
    name,
    version,
    prompt: `${name} ${version}`,
    type: "text",
    config: {},
    labels: [],
    tags: [],
  },
  ...rest,
});

test("versions become releases, oldest first, and labels the pins of their environments", () => {
  const messages = [{ role: "system", content: "Be brief." }];
  const found = readLangfuse([
    prompt("greeting", 2, { labels: ["production", "latest"], commitMessage: "shorter" }),
    prompt("greeting", 1, { labels: ["old one"] }),
    prompt("triage", 7, { prompt: messages, type: "chat", config: { model: "m" }, labels: ["eu"] }),
  ]);
  assert.deepEqual(
    found.releases.map(({ artifact, version, notes }) => [artifact, version, notes]),
    [
      ["greeting", "1", ""],
      ["greeting", "2", "shorter"],
      ["triage", "7", ""],
    ],
  );
  assert.deepEqual(found.releases[2]?.content, {
    ...{ prompt: messages, type: "chat", config: { model: "m" }, tags: [] },
  });
  assert.deepEqual(found.pins, [
    { environment: "production", artifact: "greeting", version: "2" },
    { environment: "eu", artifact: "triage", version: "7" },
  ]);
  assert.match(
    found.left.join("\n"),
    /latest: it means another version.*\nold one: no environment/s,
  );
});

test("an answer of the public API reads as the export does", () => {
  const one = [prompt("greeting", 1, { labels: ["production"] })];
  for (const form of [{ data: one, meta: { page: 1 } }, { prompts: one }]) {
    assert.deepEqual(readLangfuse(form), readLangfuse(one));
  }
});

test("what is no export, or means two things, is refused", () => {
  const listing = [{ name: "greeting", versions: [1, 2], labels: ["production"] }];
  for (const other of [{}, "x", null, [1], listing, { data: listing }]) {
    assert.throws(() => readLangfuse(other), /not an export of Langfuse's prompts/);
  }
  assert.throws(
    () => readLangfuse([prompt("a b", 1), prompt("a-b", 1)]),
    /The prompt "a-b" would be called as a b is here/,
  );
  assert.throws(() => readLangfuse([prompt("!!!", 1)]), /has no letter or digit/);
  assert.throws(
    () =>
      readLangfuse([
        prompt("greeting", 1, { labels: ["production"] }),
        prompt("greeting", 2, { labels: ["production"] }),
      ]),
    /label production is on the versions 1 and 2 of greeting/,
  );
});
