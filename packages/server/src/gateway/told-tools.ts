/**
 * What was done with tools, told as text: Anthropic's API takes no blocks of tools where none are declared, and a copy
 * declares none. Pure.
 */
import type { Json } from "../json/canonical.ts";

export function toldAsText(messages: Json | undefined): Json | undefined {
  return Array.isArray(messages) ? messages.map(withoutBlocks) : messages;
}

function withoutBlocks(message: Json): Json {
  if (typeof message !== "object" || message === null || !("content" in message)) return message;
  const { content } = message;
  return Array.isArray(content) ? { ...message, content: content.map(told) } : message;
}

function told(block: Json): Json {
  if (typeof block !== "object" || block === null || !("type" in block)) return block;
  const type = String(block.type ?? "");
  if (type.endsWith("tool_use")) {
    return textOf(`used the tool ${String(block.name ?? "")}: ${JSON.stringify(block.input)}`);
  }
  if (type.endsWith("tool_result")) return textOf(`the tool answered: ${sayResult(block.content)}`);
  return block;
}

/** A text, or blocks of which those that are text count. */
function sayResult(content: Json | undefined): string {
  if (!Array.isArray(content)) return typeof content === "string" ? content : sayJson(content);
  return content
    .map((part) =>
      typeof part === "object" && part !== null && "text" in part ? part.text : sayJson(part),
    )
    .join("\n");
}

function sayJson(value: Json | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function textOf(text: string): Json {
  return { type: "text", text };
}
