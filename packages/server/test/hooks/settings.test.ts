import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  hookEventNames,
  ourHooks,
  withHooks,
  withoutHooks,
} from "../../src/hooks/claude-settings.ts";

const command = { program: "lastgood", flags: " --agent marketing" };
const elsewhere = { program: "node '/opt/l g/bin/lastgood.js'", flags: "" };

const tuned = `{
    "model": "opus",
    "hooks": {
        "PreToolUse": [
            { "matcher": "Bash", "hooks": [{"type": "command", "command": "guard.sh"}] }
        ],
        "Stop": [{"hooks": [ {"type":"command","command":"say done"} ]}]
    },
    "permissions": {"allow": ["Bash(ls:*)"]}
}
`;

test("hooks of others are kept byte for byte, and installing twice changes nothing", () => {
  const installed = withHooks(tuned, command);
  assert.deepEqual(
    ourHooks(installed)
      .map(({ event }) => event)
      .sort(),
    [...hookEventNames].sort(),
  );
  for (const line of tuned.split("\n").filter((each) => /guard|say done|model|allow/.test(each))) {
    assert.ok(installed.includes(line.replace(/\n$/, "")), line);
  }
  assert.equal(withHooks(installed, command), installed);
  assert.match(installed, /^ {8}"SessionStart": \[$/m, "laid out as the rest");
});

test("removing restores what was there, whatever its layout", () => {
  const texts = [
    tuned,
    tuned.replaceAll("\n", "\r\n"),
    tuned.replaceAll("    ", "\t"),
    "{}\n",
    "{}",
    '{"model":"opus"}',
    '{ "hooks": {"Stop": []}, "a": [1, 2] }',
    '{\n  "hooks": {\n    "PreToolUse": [\n      {"hooks": []}\n    ]\n  }\n}',
  ];
  for (const text of texts) {
    const installed = withHooks(text, command);
    assert.equal(ourHooks(installed).length, hookEventNames.length);
    assert.equal(withoutHooks(installed), text);
    assert.equal(withoutHooks(text), text, "what is not ours is not touched");
  }
});

test("an install from elsewhere, or by hand, is replaced and not doubled", () => {
  const moved = withHooks(withHooks(tuned, elsewhere), command);
  assert.deepEqual(JSON.parse(moved), JSON.parse(withHooks(tuned, command)));
  const mixed = JSON.stringify({
    hooks: {
      PreToolUse: [
        {
          matcher: "Bash",
          hooks: [
            { type: "command", command: "guard.sh" },
            { type: "command", command: "npx lastgood hooks run PreToolUse" },
          ],
        },
      ],
    },
  });
  const cleaned = withoutHooks(mixed);
  assert.deepEqual(JSON.parse(cleaned), {
    hooks: { PreToolUse: [{ matcher: "Bash", hooks: [{ type: "command", command: "guard.sh" }] }] },
  });
});

test("whatever JSON the settings are, they stay it, and come back by the byte", () => {
  const name = fc.oneof(
    fc.constantFrom("hooks", "Stop", "PreToolUse", "SessionStart", 'a\\"b', "lastgood hooks"),
    fc.string({ maxLength: 6 }),
  );
  const other = fc.dictionary(name, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
  const groups = fc.array(fc.record({ hooks: fc.array(fc.jsonValue({ maxDepth: 2 })) }), {
    minLength: 1,
    maxLength: 3,
  });
  const hooks = fc.dictionary(fc.constantFrom("Stop", "PreToolUse", "SessionEnd"), groups, {
    minKeys: 1,
  });
  const space = fc.constantFrom(0, 1, 2, 4, "\t");
  fc.assert(
    fc.property(other, fc.option(hooks), space, (rest, some, spaces) => {
      const { hooks: _, ...settings } = rest;
      const whole = some === null ? settings : { ...settings, hooks: some };
      const text = JSON.stringify(whole, null, spaces);
      const installed = withHooks(text, command);
      const { hooks: installedHooks, ...others } = JSON.parse(installed) as Record<string, object>;
      assert.deepEqual(others, JSON.parse(JSON.stringify(settings)));
      for (const event of hookEventNames) assert.ok(Object.hasOwn(installedHooks ?? {}, event));
      assert.equal(withHooks(installed, command), installed);
      assert.equal(withoutHooks(installed), text);
    }),
  );
});
