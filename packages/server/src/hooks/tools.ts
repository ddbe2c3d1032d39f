/** Which of Claude's tools act on the outside world, and what of them is written down. Pure. */
import { isAbsolute, relative, resolve } from "node:path";
import type { JsonValue } from "@lastgood/sdk";

/** They look, talk to the person, or start what tells of itself: nothing is written down. */
const looking: ReadonlySet<string> = new Set([
  ...["Read", "Glob", "Grep", "LS", "LSP", "NotebookRead", "WebFetch", "WebSearch", "ToolSearch"],
  ...["ListMcpResourcesTool", "ReadMcpResourceTool", "BashOutput", "TaskOutput", "KillShell"],
  ...["TodoRead", "TodoWrite", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate", "TaskStop"],
  ...["Task", "Agent", "Skill", "SlashCommand", "AskUserQuestion", "EnterPlanMode", "ExitPlanMode"],
]);

/** They edit one file. In the work tree that is saved and can be undone, so it is no effect on the outside. */
const editing: ReadonlySet<string> = new Set(["Write", "Edit", "MultiEdit", "NotebookEdit"]);

export type ToolKind = "looks" | "edits" | "acts";

/** `workTree`: its root; null where there is none. What is not known acts. */
export function kindOfTool(name: string, input: unknown, workTree: string | null): ToolKind {
  if (looking.has(name) || /^mcp__lastgood(_|$)/.test(name)) return "looks";
  if (editing.has(name)) return isInside(fileOf(input), workTree) ? "edits" : "acts";
  if (name === "Bash" && onlyLooks(wordOf(input, "command"))) return "looks";
  return "acts";
}

function fileOf(input: unknown): string {
  return wordOf(input, "file_path") || wordOf(input, "notebook_path");
}

function wordOf(input: unknown, key: string): string {
  const value = (input as Readonly<Record<string, unknown>> | null)?.[key];
  return typeof value === "string" ? value : "";
}

function isInside(file: string, workTree: string | null): boolean {
  if (workTree === null || file === "") return false;
  const path = relative(workTree, resolve(workTree, file));
  return path !== "" && path !== ".." && !path.startsWith("../") && !isAbsolute(path);
}

const lookingPrograms =
  /^(ls|pwd|cat|head|wc|which|stat|file|du|df|git (status|log|show|diff|rev-parse|ls-files|blame))( |$)/;

/** One plain command that is known to change nothing: no pipe, no redirection, nothing that the shell expands. */
function onlyLooks(command: string): boolean {
  if (!/^[\w ./:@=^~,*?+-]+$/.test(command)) return false;
  return lookingPrograms.test(command) && !/ (-o|--output|--ext-diff|--textconv)\b/.test(command);
}

/**
 * How a call went that its tool says has failed. `happened`: a command ran and ended with a code; `not`: it was
 * refused before it began; `unknown`: it may have acted before it broke.
 */
export function afterFailure(
  name: string,
  error: string,
  isInterrupt: boolean,
): "happened" | "not" | "unknown" {
  if (isInterrupt) return "unknown";
  if (/InputValidationError|permission.*(denied|not granted)|requested permissions/i.test(error)) {
    return "not";
  }
  return name === "Bash" && /exit code \d+/i.test(error) ? "happened" : "unknown";
}

const wordMax = 1_000;
const itemsMax = 50;
const depthMax = 6;
const bytesMax = 12_000;

/** As much of a tool's input or answer as is worth keeping. */
export function excerptOf(value: unknown): JsonValue {
  const cut = clipped(value, 0);
  const text = JSON.stringify(cut);
  return Buffer.byteLength(text) <= bytesMax ? cut : { excerpt: text.slice(0, bytesMax / 4) };
}

function clipped(value: unknown, depth: number): JsonValue {
  if (typeof value === "string") return clippedWord(value);
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value !== "object" || value === null) return null;
  if (depth >= depthMax) return "…";
  if (Array.isArray(value)) {
    return value.slice(0, itemsMax).map((each: unknown) => clipped(each, depth + 1));
  }
  const entries = Object.entries(value).slice(0, itemsMax);
  return Object.fromEntries(
    entries.map(([key, each]) => [clippedWord(key), clipped(each, depth + 1)]),
  );
}

function clippedWord(text: string): string {
  const whole = text.replaceAll("\0", "");
  if (whole.length <= wordMax) return whole;
  return `${whole.slice(0, wordMax)}… (${whole.length - wordMax} more characters)`;
}
