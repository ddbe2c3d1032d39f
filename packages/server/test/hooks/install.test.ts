import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bin, lastgood } from "../support/lastgood.ts";

async function makeProject() {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-install-"));
  const file = join(folder, ".claude/settings.json");
  const env = { CLAUDE_CONFIG_DIR: join(folder, "user"), LASTGOOD_TOKEN: "none" };
  return {
    ...{ folder, file },
    type: (...args: string[]) => lastgood(["hooks", ...args], { cwd: folder, env }),
    read: () => readFileSync(file, "utf8"),
    write(text: string) {
      mkdirSync(join(folder, ".claude"), { recursive: true });
      writeFileSync(file, text, { mode: 0o600 });
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

const others = `{
  "permissions": { "allow": ["Bash(npm test)"] },
  "hooks": {
    "PreToolUse": [{ "matcher": "Bash", "hooks": [{ "type": "command", "command": "./guard" }] }]
  }
}
`;

test("hooks are installed once, shown, and removed without a trace", async () => {
  await using project = await makeProject();
  project.write(others);
  const installed = await project.type("install", "claude-code", "--agent", "marketing");
  assert.equal(installed.code, 0, installed.err);
  const text = project.read();
  const settings = JSON.parse(text) as { hooks: Record<string, { hooks: object[] }[]> };
  const commands = Object.values(settings.hooks).flatMap((groups) =>
    groups.flatMap(({ hooks }) => hooks),
  );
  assert.ok(commands.some((each) => JSON.stringify(each).includes("./guard")));
  assert.match(
    JSON.stringify(commands),
    new RegExp(`${bin}.* hooks run SessionEnd --agent marketing`),
  );
  assert.equal(statSync(project.file).mode & 0o777, 0o600, "its mode stays");

  const again = await project.type("install", "claude-code", "--agent", "marketing");
  assert.match(again.out, /already/);
  assert.equal(project.read(), text);
  const shown = await project.type("show", "--json");
  const { hooks } = JSON.parse(shown.out) as { hooks: { scope: string; event: string }[] };
  assert.deepEqual(
    hooks.map(({ scope, event }) => `${scope} ${event}`).sort(),
    [
      "PostToolUse",
      "PostToolUseFailure",
      "PreCompact",
      "PreToolUse",
      "SessionEnd",
      "SessionStart",
    ].map((event) => `project ${event}`),
  );
  assert.equal((await project.type("remove")).code, 0);
  assert.equal(project.read(), others);
  assert.match((await project.type("remove")).out, /none of ours/);
});

test("settings that were made for our hooks go with them; other scopes have files of their own", async () => {
  await using project = await makeProject();
  for (const [scope, file] of [
    ["project", project.file],
    ["local", join(project.folder, ".claude/settings.local.json")],
    ["user", join(project.folder, "user/settings.json")],
  ] as const) {
    await project.type("install", "claude-code", "--scope", scope);
    assert.ok(existsSync(file), scope);
    await project.type("remove", "--scope", scope);
    assert.equal(existsSync(file), false, scope);
  }
});

test("a link to settings that lie elsewhere stays one", async () => {
  await using project = await makeProject();
  const target = join(project.folder, "dotfiles.json");
  writeFileSync(target, others);
  mkdirSync(join(project.folder, ".claude"));
  symlinkSync(target, project.file);
  await project.type("install", "claude-code");
  assert.ok(lstatSync(project.file).isSymbolicLink());
  assert.match(readFileSync(target, "utf8"), /hooks run SessionStart/);
});

test("settings that are broken, or not what they should be, are refused and left as they are", async () => {
  await using project = await makeProject();
  const cases = [
    ['{\n  "model": "opus",\n  oops\n}\n', /settings\.json:3:3 is not JSON.*Nothing was changed/],
    ['{"hooks": [', /is not JSON/],
    ['{"hooks": []}\n', /`hooks` of these settings is not an object/],
    ['{"hooks": {"PreToolUse": {}}}\n', /`hooks\.PreToolUse` of these settings is not an array/],
    ["[1]\n", /no JSON object/],
  ] as const;
  for (const [text, says] of cases) {
    project.write(text);
    for (const command of [["install", "claude-code"], ["remove"]]) {
      const ran = await project.type(...command);
      if (command[0] === "install") {
        assert.equal(ran.code, 2, text);
        assert.match(ran.err, says);
        assert.match(ran.err, /bad_configuration/);
      }
      assert.equal(project.read(), text);
    }
  }
});

test("what is asked wrongly is refused before anything is written", async () => {
  await using project = await makeProject();
  const cases = [
    [["install", "cursor"], 3, /there are those for claude-code/],
    [["install", "claude-code", "--scope", "world"], 2, /project, local or user/],
    [["install", "claude-code", "--agent", "not a name"], 2, /--agent/],
    [["install", "claude-code", "--program", "docker run agent"], 2, /ends with `lastgood`/],
  ] as const;
  for (const [args, code, says] of cases) {
    const ran = await project.type(...args);
    assert.equal(ran.code, code, ran.err);
    assert.match(ran.err, says);
  }
  assert.equal(existsSync(project.file), false);
});
