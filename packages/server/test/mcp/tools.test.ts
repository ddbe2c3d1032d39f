import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { tools } from "../../src/mcp/tools/tools.ts";

/** What hosts decide by: read-only, destructive, idempotent, open world. */
const promised: Readonly<Record<string, readonly [boolean, boolean, boolean, boolean]>> = {
  session_start: [false, true, false, false],
  session_end: [false, false, true, false],
  brief: [true, false, true, false],
  inbox_next: [false, false, false, false],
  message_ack: [false, false, true, false],
  message_fail: [false, false, false, false],
  message_send: [false, false, false, false],
  tasks: [true, false, true, false],
  task_assign: [false, false, true, false],
  task_claim: [false, false, true, false],
  task_progress: [false, false, true, false],
  task_complete: [false, false, true, false],
  task_block: [false, false, true, false],
  checkpoint_message: [true, false, true, false],
  checkpoint_record: [false, false, true, false],
  state_get: [true, false, true, false],
  state_put: [false, false, false, false],
  effect_begin: [false, false, false, false],
  effect_confirm: [false, false, true, false],
  effect_fail: [false, false, true, false],
  effect_settle: [false, false, true, false],
  effects_unknown: [true, false, true, false],
  incidents: [true, false, true, false],
  suspects: [true, false, true, false],
  recover_plan: [false, false, false, false],
  recover_show: [true, false, true, false],
  recover_run: [false, true, false, true],
  approve: [false, true, false, true],
  report: [false, false, false, false],
  skills: [true, false, true, false],
  skill_read: [true, false, true, false],
  pins: [true, false, true, false],
  rollouts: [true, false, true, false],
  rollout_show: [true, false, true, false],
  rollout_freeze: [false, false, true, false],
  rollout_back: [false, true, false, true],
  rollback: [false, true, false, true],
};

test("every tool says of itself what the table promises, and nothing is left to a host's guess", () => {
  const said = tools.map(({ name, hints }) => [
    name,
    [hints.readOnlyHint, hints.destructiveHint, hints.idempotentHint, hints.openWorldHint],
  ]);
  assert.deepEqual(Object.fromEntries(said), promised);
  assert.equal(new Set(tools.map(({ name }) => name)).size, tools.length);
});

test("what only reads can be given to an agent that must not act: it promises nothing else", () => {
  for (const { name, hints } of tools) {
    if (!hints.readOnlyHint) continue;
    assert.deepEqual([hints.destructiveHint, hints.idempotentHint], [false, true], name);
  }
});

test("every tool can be chosen by its text, and every argument is declared", () => {
  for (const { name, title, description, input, output } of tools) {
    assert.match(name, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(title.length > 0 && title.length <= 60, name);
    assert.ok(
      description.length >= 80 && description.length <= 700,
      `${name}: ${description.length}`,
    );
    const takes = z.toJSONSchema(input, { io: "input" });
    assert.equal(takes.type, "object", name);
    assert.equal(takes.additionalProperties, false, `${name} takes what it does not know`);
    assert.equal(z.toJSONSchema(output).type, "object", name);
  }
});

test("all tools together cost a model's context less than 8,000 tokens", () => {
  const characters = tools.map(
    ({ name, description, input }) =>
      name.length +
      description.length +
      JSON.stringify(z.toJSONSchema(input, { io: "input" })).length,
  );
  assert.ok(characters.reduce((sum, each) => sum + each, 0) / 4 < 8_000);
});
