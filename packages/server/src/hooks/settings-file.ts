/** Claude Code's settings file: read, judged, and written whole or not at all. */
import {
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Fault } from "../fault.ts";
import { type HookCommand, ourHooks, withHooks, withoutHooks } from "./claude-settings.ts";

/** `local`: this project, for this machine alone; it is not committed. */
export type Scope = "project" | "local" | "user";
export const scopes: readonly Scope[] = ["project", "local", "user"];

export function settingsFile(scope: Scope, project: string): string {
  if (scope === "user") {
    return join(process.env.CLAUDE_CONFIG_DIR ?? join(homedir(), ".claude"), "settings.json");
  }
  return join(project, ".claude", scope === "local" ? "settings.local.json" : "settings.json");
}

/** Whether the file was changed. Faults: `bad_configuration`, and nothing is changed. */
export function installHooks(file: string, command: HookCommand): boolean {
  return edit(file, (text) => withHooks(text, command));
}

export function removeHooks(file: string): boolean {
  return edit(file, withoutHooks);
}

export function showHooks(file: string): readonly { event: string; command: string }[] {
  const text = read(file) ?? "";
  requireObject(file, text);
  return ourHooks(text);
}

function edit(file: string, change: (text: string) => string): boolean {
  const text = read(file);
  requireObject(file, text ?? "");
  const next = inFile(file, () => change(text ?? ""));
  if (next === (text ?? "")) return false;
  requireObject(file, next);
  // What held our hooks alone was made for them.
  if (next === emptied) rmSync(realOf(file), { force: true });
  else write(file, next);
  return true;
}

const emptied = "{}\n";

function inFile(file: string, change: () => string): string {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(error.code, `${file}: ${error.message}`, { context: { path: file } });
  }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function requireObject(file: string, text: string): void {
  if (text.trim() === "") return;
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch (cause) {
    const path = `${file}:${placeIn(text, cause)}`;
    throw new Fault(
      "bad_configuration",
      `${path} is not JSON (${cause instanceof Error ? cause.message : cause}): correct it first. Nothing was changed.`,
      { cause, context: { path } },
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  throw new Fault("bad_configuration", `${file} holds no JSON object: correct it first.`, {
    context: { path: file },
  });
}

/** `line:column`, as far as the parser says. */
function placeIn(text: string, cause: unknown): string {
  const said = cause instanceof Error ? /position (\d+)/.exec(cause.message)?.[1] : undefined;
  const before = text.slice(0, said === undefined ? text.length : Number(said)).split("\n");
  return `${before.length}:${(before.at(-1) ?? "").length + 1}`;
}

/** A link is followed: it is its target that holds the settings. */
function realOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const real = realOf(file);
  const mode = statSync(real, { throwIfNoEntry: false })?.mode ?? 0o644;
  const aside = `${real}.${process.pid}.partial`;
  try {
    writeFileSync(aside, text, { mode: mode & 0o777, flag: "wx" });
    renameSync(aside, real);
  } finally {
    rmSync(aside, { force: true });
  }
}
