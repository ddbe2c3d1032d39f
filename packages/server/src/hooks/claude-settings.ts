/** What stands in Claude Code's settings for our hooks, and how it is put in and taken out. Pure. */
import { isDeepStrictEqual } from "node:util";
import { Fault } from "../fault.ts";
import {
  type Container,
  memberOf,
  positionsOf,
  withAppended,
  withoutChild,
} from "./json-positions.ts";

/** The events that we listen to, and for how many seconds a hook of ours may run. */
export const hookEvents = {
  SessionStart: { matcher: null, seconds: 30 },
  PreToolUse: { matcher: "*", seconds: 10 },
  PostToolUse: { matcher: "*", seconds: 10 },
  PostToolUseFailure: { matcher: "*", seconds: 10 },
  PreCompact: { matcher: null, seconds: 60 },
  // Without a span of its own all of a session's last hooks together get a second and a half.
  SessionEnd: { matcher: null, seconds: 20 },
} as const;
export type HookEvent = keyof typeof hookEvents;
export const hookEventNames = Object.keys(hookEvents) as readonly HookEvent[];

/** How a shell calls this program, and what follows the event. */
export interface HookCommand {
  readonly program: string;
  readonly flags: string;
}

interface Handler {
  readonly type: "command";
  readonly command: string;
  readonly timeout: number;
}
interface Group {
  readonly matcher?: string;
  readonly hooks: readonly Handler[];
}

function groupOf(event: HookEvent, { program, flags }: HookCommand): Group {
  const { matcher, seconds } = hookEvents[event];
  const command = `${program} hooks run ${event}${flags}`;
  return {
    ...(matcher === null ? {} : { matcher }),
    hooks: [{ type: "command", command, timeout: seconds }],
  };
}

/** Whoever wrote it, and wherever the program lay then. */
export function isOurCommand(command: string): boolean {
  return /lastgood(\.js)?['"]? hooks run [A-Z]\w+( |$)/.test(command);
}

/** The settings with our hooks, and all else as it was; the very text where they are in it already. */
export function withHooks(text: string, command: HookCommand): string {
  let next = text.trim() === "" ? "{}\n" : text;
  next = ensure(next, [], "hooks", {});
  for (const event of hookEventNames) {
    const wanted = groupOf(event, command);
    next = ensure(next, ["hooks"], event, []);
    const groups = containerAt(next, ["hooks", event]);
    const found = valueAt(next, groups) as readonly unknown[];
    const isThere = found.some((group) => isDeepStrictEqual(group, wanted));
    const strangers = found.filter((group) => !isDeepStrictEqual(group, wanted));
    if (isThere && !strangers.some(hasOurs) && strangers.length === found.length - 1) continue;
    next = withoutOurs(next, event);
    next = withAppended(next, containerAt(next, ["hooks", event]), { value: wanted });
  }
  return next;
}

/** The settings without our hooks, and all else as it was. */
export function withoutHooks(text: string): string {
  if (text.trim() === "") return text;
  let next = text;
  const hooks = containerIn(next, [], "hooks");
  if (hooks === null) return next;
  let removed = false;
  for (const { key } of hooks.children) {
    const event = key ?? "";
    const before = next;
    next = withoutOurs(next, event);
    if (next === before) continue;
    removed = true;
    if (containerAt(next, ["hooks", event]).children.length === 0) {
      next = withoutMember(next, containerAt(next, ["hooks"]), event);
    }
  }
  const isEmptied = removed && containerAt(next, ["hooks"]).children.length === 0;
  return isEmptied ? withoutMember(next, containerAt(next, []), "hooks") : next;
}

/** By event, the commands of ours that stand in the settings. */
export function ourHooks(text: string): readonly { event: string; command: string }[] {
  if (text.trim() === "") return [];
  const hooks = containerIn(text, [], "hooks");
  if (hooks === null) return [];
  const all = valueAt(text, hooks) as Record<string, unknown>;
  return Object.entries(all).flatMap(([event, groups]) =>
    (Array.isArray(groups) ? groups : [])
      .flatMap(handlersOf)
      .filter(isOurs)
      .map(({ command }) => ({ event, command })),
  );
}

function handlersOf(group: unknown): readonly unknown[] {
  const hooks = (group as { hooks?: unknown } | null)?.hooks;
  return Array.isArray(hooks) ? hooks : [];
}

function isOurs(handler: unknown): handler is Handler {
  const command = (handler as { command?: unknown } | null)?.command;
  return typeof command === "string" && isOurCommand(command);
}

function hasOurs(group: unknown): boolean {
  return handlersOf(group).some(isOurs);
}

/** Handlers of ours are taken out; a group that had no others goes with them. */
function withoutOurs(text: string, event: string): string {
  const groups = containerIn(text, ["hooks"], event);
  if (groups?.kind !== "array") return text;
  const found = valueAt(text, groups) as readonly unknown[];
  const index = found.findLastIndex(hasOurs);
  if (index < 0) return text;
  const handlers = handlersOf(found[index]);
  if (handlers.every(isOurs)) return withoutOurs(withoutChild(text, groups, index), event);
  const group = groups.children[index]?.value;
  const list = memberOf(group, "hooks")?.value;
  if (list?.kind !== "array") return text;
  return withoutOurs(withoutChild(text, list, handlers.findLastIndex(isOurs)), event);
}

function ensure(text: string, path: readonly string[], key: string, empty: object): string {
  const container = containerAt(text, path);
  const found = memberOf(container, key);
  if (found === undefined) return withAppended(text, container, { key, value: empty });
  const wanted = Array.isArray(empty) ? "array" : "object";
  if (found.value.kind === wanted) return text;
  const where = [...path, key].join(".");
  throw new Fault(
    "bad_configuration",
    `\`${where}\` of these settings is not an ${wanted}: correct it first. Nothing was changed.`,
    { context: { path: where } },
  );
}

function withoutMember(text: string, container: Container, key: string): string {
  return withoutChild(
    text,
    container,
    container.children.findLastIndex((each) => each.key === key),
  );
}

function containerIn(text: string, path: readonly string[], key: string): Container | null {
  const node = memberOf(containerAt(text, path), key)?.value;
  return node === undefined || node.kind === "scalar" ? null : node;
}

function containerAt(text: string, path: readonly string[]): Container {
  const root = positionsOf(text);
  const node = path.reduce((at, key) => memberOf(at, key)?.value ?? at, root);
  if (node.kind !== "scalar") return node;
  throw new Fault("bad_configuration", "These settings are no JSON object: correct them first.");
}

function valueAt(text: string, { start, end }: Container): unknown {
  return JSON.parse(text.slice(start, end)) as unknown;
}
