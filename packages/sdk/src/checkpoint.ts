/**
 * The checkpoint convention: a commit message that says which task it belongs to and how far that is.
 *
 *     feat(marketing): blog post draft - agent-state-recovery [task:task_2026_0921_014] [subtask:3/5]
 *
 * The reader takes what people and models really write, and never fails; the writer writes only what the
 * reader reads back.
 */
import type { CheckpointMarks, NewCheckpoint } from "./api/checkpoints.ts";
import { Fault } from "./fault.ts";

/** Of a subject and of a last paragraph so much is looked at, however long the message is. */
const lookedAtMax = 8_000;
export const checkpointSummaryMax = 500;
const bodyMax = 65_536;
const progressMax = 999_999;

const bracketed = /\[([^[\]]{1,240})\]/g;
const taskForm = /^[^\s[\]\p{C}]{1,200}$/u;
const progressForm = /^(\d{1,6})\s{0,9}\/\s{0,9}(\d{1,6})$/;
const typeForm = /^[A-Za-z][A-Za-z0-9-]{0,31}$/;
const headForm = /^([A-Za-z][A-Za-z0-9-]{0,31})(?:\(([^()]{1,100})\))?!?:\s+(\S.*)$/s;
const trailerForm = /^\s{0,9}(task|subtask)\s{0,9}:(.{1,240})$/i;

type Mark =
  | { readonly key: "task"; readonly task: string }
  | { readonly key: "subtask"; readonly n: number; readonly of: number };

/**
 * Marks may stand anywhere in the subject, in any order, or as trailers `Task:` and `Subtask:`; the subject
 * has the first word, and of several marks the first counts. A task may also be marked in the body. What is
 * no mark stays in the summary. A revert says nothing of progress: it quotes what it takes back.
 */
export function parseCheckpoint(message: string): CheckpointMarks {
  const text = message.trimStart();
  const end = text.search(/[\r\n]/);
  const line = (end === -1 ? text : text.slice(0, end)).slice(0, lookedAtMax);
  const marks: Mark[] = [];
  const bare = line.replace(bracketed, (whole, inner: string) => {
    const mark = markOf(inner);
    if (mark === null) return whole;
    marks.push(mark);
    return " ";
  });
  const rest = end === -1 ? "" : text.slice(end);
  marks.push(...trailersOf(rest));
  const [, type = null, scope = null, said] = headForm.exec(oneLine(bare)) ?? [];
  const summary = cutTo(said ?? oneLine(bare), checkpointSummaryMax);
  const task = marks.find((mark) => mark.key === "task") ?? taskIn(rest.slice(0, lookedAtMax));
  const progress = marks.find((mark) => mark.key === "subtask") ?? null;
  const reverts = /^revert "/i.test(summary) || type?.toLowerCase() === "revert";
  return {
    ...{ type, scope: scope?.trim() ?? null, summary },
    task: task?.task ?? null,
    subtask: progress === null || reverts ? null : { n: progress.n, of: progress.of },
  };
}

/** Of `key:value`. Null for anything else, and for what makes no sense, such as `subtask:6/5`. */
function markOf(text: string): Mark | null {
  const colon = text.indexOf(":");
  const key = text.slice(0, Math.max(0, colon)).trim().toLowerCase();
  const value = text.slice(colon + 1).trim();
  if (key === "task") return taskForm.test(value) ? { key, task: value } : null;
  if (key !== "subtask") return null;
  const [, n = 0, of = 0] = (progressForm.exec(value) ?? []).map(Number);
  return makesSense({ n, of }) ? { key, n, of } : null;
}

/** Of the last paragraph. */
function trailersOf(rest: string): readonly Mark[] {
  const all = rest.trimEnd();
  const tail = all.slice(-lookedAtMax);
  // A line that is cut may read as another one.
  const whole = tail.length < all.length ? tail.slice(tail.indexOf("\n") + 1) : tail;
  const paragraph = whole.split(/\r?\n[ \t]*\r?\n/).at(-1) ?? "";
  return paragraph.split(/\r?\n/).flatMap((each) => {
    const [, key = "", value = ""] = trailerForm.exec(each) ?? [];
    const mark = key === "" ? null : markOf(`${key}:${value}`);
    return mark === null ? [] : [mark];
  });
}

function taskIn(body: string): { readonly task: string } | null {
  for (const [, inner = ""] of body.matchAll(bracketed)) {
    const mark = markOf(inner);
    if (mark?.key === "task") return mark;
  }
  return null;
}

/** Faults with `bad_input` on what `parseCheckpoint` would not read back as it was meant. */
export function checkpointMessage(wanted: NewCheckpoint): string {
  const { type, scope, task, subtask, as = "subject" } = wanted;
  const summary = requireLine(wanted.summary, "summary");
  const body = wanted.body?.replaceAll("\r\n", "\n").trim() ?? "";
  if (body.length > bodyMax || body.includes("\u0000")) {
    throw bad("body", `The body may have ${bodyMax} characters and no NUL: shorten it.`);
  }
  if (scope !== undefined && type === undefined) {
    throw bad("scope", "A scope needs a type, as in feat(marketing): name both, or neither.");
  }
  const head = type === undefined ? "" : `${type}${scope === undefined ? "" : `(${scope})`}: `;
  const marks = { task, ...(subtask && { subtask: `${subtask.n}/${subtask.of}` }) };
  const entries = Object.entries(marks);
  const said = entries.map(([key, value]) => `[${key}:${value}]`).join(" ");
  const trailers = entries.map(([key, value]) => `${capital(key)}: ${value}`).join("\n");
  const message =
    as === "subject" ? [`${head}${summary} ${said}`, body] : [`${head}${summary}`, body, trailers];
  const written = message.filter((each) => each !== "").join("\n\n");
  requireReadable({ ...wanted, summary }, parseCheckpoint(written));
  return `${written}\n`;
}

/** Each difference has its own sentence, so that whoever wrote it knows what to change. */
function requireReadable(wanted: NewCheckpoint, read: CheckpointMarks): void {
  const { type = null, scope = null, task, subtask = null } = wanted;
  if (!taskForm.test(task)) {
    const says = "cannot mark a task: 1 to 200 characters without spaces and brackets.";
    throw bad("task", `${quoted(task)} ${says}`);
  }
  if (subtask !== null && !makesSense(subtask)) {
    throw bad("subtask", `${subtask.n}/${subtask.of} is no progress: write it as 3/5.`);
  }
  if (read.task !== task || !isSame(read.subtask, subtask)) {
    const says = "The text is a revert, or marks a task or subtask itself: leave marks out of it.";
    throw bad("summary", says);
  }
  if (type !== null && !typeForm.test(type)) {
    throw bad("type", `${quoted(type)} is no type: letters, digits and -, such as feat or fix.`);
  }
  if (scope !== null && read.scope !== scope) {
    throw bad("scope", `${quoted(scope)} is no scope: at most 100 characters without parentheses.`);
  }
  if (read.type !== type || read.scope !== scope || read.summary !== wanted.summary) {
    const says = `leave a leading "type:" out of it, and keep it to ${checkpointSummaryMax} characters.`;
    throw bad("summary", `It would be read back as ${quoted(read.summary)}: ${says}`);
  }
}

function makesSense({ n, of }: { readonly n: number; readonly of: number }): boolean {
  return Number.isInteger(n) && Number.isInteger(of) && n >= 1 && n <= of && of <= progressMax;
}

function isSame(one: CheckpointMarks["subtask"], other: CheckpointMarks["subtask"]): boolean {
  return one?.n === other?.n && one?.of === other?.of;
}

function requireLine(text: string, path: string): string {
  const line = oneLine(text);
  if (line !== "" && !/[\r\n]/.test(text.trim()) && !/[\p{Cc}\p{Cs}]/u.test(line)) return line;
  throw bad(path, `The ${path} is one line of text, at least a word: put more into the body.`);
}

function bad(path: string, says: string): Fault {
  return new Fault("bad_input", says, { context: { path } });
}

function quoted(text: string): string {
  return JSON.stringify(cutTo(text, 80));
}

function capital(key: string): string {
  return key.charAt(0).toUpperCase() + key.slice(1);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** Never ends within a character. */
function cutTo(text: string, length: number): string {
  const cut = text.slice(0, length);
  return text.length > length && /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}
