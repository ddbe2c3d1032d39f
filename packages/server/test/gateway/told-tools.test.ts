import assert from "node:assert/strict";
import { test } from "node:test";
import { anthropic, openai } from "../../src/gateway/dialect.ts";

test("a copy of what used tools declares none, and tells as text what was done with them", () => {
  const asked = { role: "user", content: "refund order 7" };
  const used = {
    role: "assistant",
    content: [
      { type: "text", text: "I look it up." },
      { type: "tool_use", id: "t1", name: "orders", input: { order: 7 } },
    ],
  };
  const result = (content: string | { type: string; text: string }[]) => ({
    role: "user",
    content: [{ type: "tool_result", tool_use_id: "t1", content }],
  });
  const tools = [{ name: "orders", input_schema: { type: "object" } }];
  const body = anthropic.withoutTools({
    ...{ model: "m", tools, tool_choice: { type: "auto" } },
    messages: [asked, used, result("paid"), result([{ type: "text", text: "19 EUR" }])],
  });
  assert.deepEqual(body, {
    model: "m",
    messages: [
      asked,
      {
        role: "assistant",
        content: [
          { type: "text", text: "I look it up." },
          { type: "text", text: 'used the tool orders: {"order":7}' },
        ],
      },
      { role: "user", content: [{ type: "text", text: "the tool answered: paid" }] },
      { role: "user", content: [{ type: "text", text: "the tool answered: 19 EUR" }] },
    ],
  });
});

test("what has no tools is copied as it is", () => {
  const messages = [{ role: "user", content: [{ type: "text", text: "hi" }] }];
  for (const dialect of [anthropic, openai]) {
    assert.deepEqual(dialect.withoutTools({ messages }), { messages });
  }
  assert.deepEqual(anthropic.withoutTools({ messages: "broken" }), { messages: "broken" });
});
