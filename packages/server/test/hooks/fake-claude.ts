/**
 * Stands in for Claude Code: reads the project's settings as it does, and at each event that it is told of runs
 * the hooks that match by a shell, with the event as JSON on their standard input. It answers with a line.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface Group {
  readonly matcher?: string;
  readonly hooks: readonly { readonly type: string; readonly command: string }[];
}

const project = process.env.CLAUDE_PROJECT_DIR ?? "";

function groupsOf(event: string): readonly Group[] {
  const text = readFileSync(join(project, ".claude/settings.json"), "utf8");
  const settings = JSON.parse(text) as { hooks?: Readonly<Record<string, readonly Group[]>> };
  return settings.hooks?.[event] ?? [];
}

function matches({ matcher = "" }: Group, tool: unknown): boolean {
  if (matcher === "" || matcher === "*" || typeof tool !== "string") return true;
  return new RegExp(`^(?:${matcher})$`).test(tool);
}

async function runHook(command: string, input: string) {
  const began = performance.now();
  const child = spawn("sh", ["-c", command], { cwd: project });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { ...said, code, tookMs: performance.now() - began };
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const event = String(told.hook_event_name);
  const commands = groupsOf(event)
    .filter((group) => matches(group, told.tool_name))
    .flatMap(({ hooks }) => hooks.map(({ command }) => command));
  const ran = await Promise.all(commands.map((command) => runHook(command, line)));
  process.stdout.write(`${JSON.stringify(ran)}\n`);
}
