/**
 * Where to go on, from what was gathered. Pure.
 *
 *   C1. Nothing is concluded that no record says. What the records leave open, or say differently from each
 *       other, is a doubt.
 *   C2. The same records give the same words.
 */
import type {
  BriefCommit,
  BriefMessage,
  ChangedInput,
  Conclusion,
  Effect,
  SessionRecord,
  Task,
  UncommittedFile,
  WorkTreeReport,
} from "@lastgood/sdk";
import type { Choice } from "./choose-task.ts";
import { type Progress, progressOf } from "./progress.ts";

/** What a conclusion is drawn from. */
export interface Evidence {
  readonly agent: string;
  readonly before: SessionRecord | null;
  readonly choice: Choice;
  /** Of the chosen task, newest first. */
  readonly taskCommits: readonly BriefCommit[];
  readonly tasks: readonly Task[];
  readonly moreTasks: number;
  readonly messages: readonly BriefMessage[];
  readonly moreMessages: number;
  readonly workTree: WorkTreeReport | null;
  /** Of the chosen task's artifact, where no uncommitted file says it; null where nobody could look. */
  readonly measured: { readonly words: number; readonly lines: number } | null;
  /** Where the work tree is, or was, as the session said it; null where it said nothing. */
  readonly place: string | null;
  readonly effects: readonly Effect[];
  readonly inputs: readonly ChangedInput[];
  /** The commits that the session before recorded and the branch, as it is read now, does not have. */
  readonly lostCommits: readonly string[];
  /** Changes of the agent's that somebody else took back. */
  readonly reverted: readonly {
    readonly layer: string;
    readonly task: string | null;
    readonly to: string | null;
  }[];
  /** What could not be asked, and why. */
  readonly unanswered: readonly string[];
}

export function conclude(evidence: Evidence): Conclusion {
  const { choice, taskCommits } = evidence;
  if (choice.task === null) {
    const says = nothingToResume(evidence);
    return { task: null, subtask: null, artifact: null, says, doubts: doubtsOf(evidence, null) };
  }
  const progress = progressOf(choice.task, taskCommits);
  const artifact = artifactOf(choice.task, evidence);
  return {
    task: choice.task.id,
    subtask: progress.next,
    artifact,
    says: resume(choice, progress, artifact),
    doubts: doubtsOf(evidence, progress),
  };
}

function resume(
  { as, task }: Exclude<Choice, { task: null }>,
  { next, of, begun }: Progress,
  artifact: Conclusion["artifact"],
): string {
  const from =
    artifact === null ? "" : ` from artifact ${oneLine(artifact.path)}${placeIn(artifact)}`;
  if (next === null && of > 0) {
    return `Finish task ${task.id}${from}: all its ${of} subtasks are done, and it is not completed yet.`;
  }
  const verb = as === "pending" && !begun ? "Begin" : "Resume";
  const title = next === null || next.title === "" ? "" : ` ("${oneLine(next.title)}")`;
  const at = next === null ? "" : ` at subtask ${next.n} of ${next.of}${title}`;
  return `${verb} task ${task.id}${at}${from}.`;
}

function placeIn({ words, lines }: NonNullable<Conclusion["artifact"]>): string {
  return words === null || lines === null ? "" : `, word ${words}, line ${lines}`;
}

function nothingToResume({ agent, tasks, messages, moreMessages, unanswered }: Evidence): string {
  const waiting = messages.length + moreMessages;
  const blocked = tasks.filter(({ state }) => state === "blocked").length;
  const open = tasks.length - blocked;
  const said = [
    blocked > 0 ? `${counted(blocked, "task")} blocked` : null,
    open > 0 ? `${counted(open, "task")} in other hands` : null,
    waiting > 0 ? `${counted(waiting, "message")} waiting in its inbox` : null,
  ].filter((each) => each !== null);
  if (said.length === 0 && unanswered.length === 0) {
    return `Nothing to do: no open task is for ${agent}, and no message waits.`;
  }
  const what =
    said.length === 0
      ? ""
      : ` There ${said[0]?.startsWith("1 ") ? "is" : "are"} ${said.join(", ")}.`;
  return `Nothing to resume: no open task is for ${agent} to take up.${what}`;
}

/** How much of the artifact there is: also what no commit has. */
function artifactOf(task: Task, { workTree, measured }: Evidence): Conclusion["artifact"] {
  if (task.artifact === null) return null;
  const { path } = task.artifact;
  const file = uncommitted(path, workTree);
  return {
    path,
    words: (file ?? measured)?.words ?? null,
    lines: (file ?? measured)?.lines ?? null,
    uncommittedWords: file === null ? (workTree?.more === 0 ? 0 : null) : file.newWords,
  };
}

export function uncommitted(path: string, workTree: WorkTreeReport | null): UncommittedFile | null {
  const plain = path.replace(/^(\.\/+)+/, "");
  return workTree?.files.find((file) => file.path === plain) ?? null;
}

/** What whoever goes on must look at first, in a fixed order; each kind is named a few times and then counted. */
function doubtsOf(evidence: Evidence, progress: Progress | null): readonly string[] {
  const { effects, messages, inputs, unanswered } = evidence;
  return [
    ...few(
      effects,
      "effects",
      ({ id, kind, key }) =>
        `Whether effect ${id} (${oneLine(`${kind} ${key}`)}) happened is unknown: look it up before you do it again.`,
    ),
    ...few(
      messages.filter(({ deliveries }) => deliveries > 0),
      "messages that went out before",
      ({ id, deliveries }) =>
        `Message ${oneLine(id)} went out ${timesSaid(deliveries)} before and was not acknowledged: part of it may be done.`,
    ),
    ...unclearBefore(evidence),
    ...(progress?.doubts ?? []),
    ...lostTasks(evidence),
    ...treeDoubts(evidence),
    ...otherCandidates(evidence),
    ...few(
      inputs,
      "inputs",
      ({ collection, id, read, now, by }) =>
        `${collection}/${id} was read at version ${read}; ${by} has changed it since, it is at ${now}.`,
    ),
    ...unanswered,
  ];
}

const namedMax = 5;

function few<Item>(
  items: readonly Item[],
  what: string,
  say: (item: Item) => string,
): readonly string[] {
  const rest = items.length - namedMax;
  const named = items.slice(0, namedMax).map(say);
  return rest > 0 ? [...named, `${rest} more ${what} are in doubt as these are.`] : named;
}

function unclearBefore({ before, tasks, moreTasks }: Evidence): readonly string[] {
  if (before === null) return [];
  const unfinished = before.tasks_started.filter((id) => !before.tasks_completed.includes(id));
  const unseen = unfinished.filter((id) => moreTasks > 0 && !tasks.some((task) => task.id === id));
  const { session_id: session, ended_at: ended } = before;
  return [
    ...(ended === null ? [`The session ${session} has no recorded end: it may still work.`] : []),
    ...few(
      unseen,
      "tasks",
      (id) =>
        `Task ${oneLine(id)}, which ${session} began, is not among those listed: see \`lastgood tasks show ${oneLine(id)}\`.`,
    ),
  ];
}

/** Work that was taken back stays undone when nobody opens its task again. */
function lostTasks({ reverted, tasks, moreTasks }: Evidence): readonly string[] {
  const lost = reverted.filter(
    ({ layer, task }) =>
      layer === "code" && task !== null && moreTasks === 0 && !tasks.some(({ id }) => id === task),
  );
  const byTask = new Map(lost.map(({ task, to }) => [task ?? "", to ?? ""]));
  return few([...byTask], "tasks", ([task, commit]) => {
    const id = oneLine(task);
    return `Task ${id} is not open, and its commit ${commit.slice(0, 7)} was reverted: if it is still wanted, \`lastgood tasks reopen ${id}\`.`;
  });
}

function treeDoubts(evidence: Evidence): readonly string[] {
  const { workTree, place, lostCommits, choice } = evidence;
  if (workTree === null) {
    return place === null
      ? []
      : [
          `The work tree ${oneLine(place)} could not be read: what was not committed there is not known.`,
        ];
  }
  const { files, more, leftovers, unread, source, readAt } = workTree;
  const artifact = uncommitted(choice.task?.artifact?.path ?? "", workTree);
  const names = files.slice(0, namedMax).map(({ path }) => oneLine(path));
  const beyond = files.length + more - names.length;
  const also = beyond > 0 ? ` and ${beyond} more` : "";
  return [
    ...(source === "saved"
      ? [`The disk could not be read: files are as they were saved at ${readAt}.`]
      : []),
    ...(names.length > 0 ? [`Newer than the last commit: ${names.join(", ")}${also}.`] : []),
    ...(artifact?.status === "deleted"
      ? [`The artifact ${oneLine(artifact.path)} was deleted, and no commit says so.`]
      : []),
    ...few(
      lostCommits,
      "commits",
      (commit) =>
        `Commit ${commit.slice(0, 12)}, recorded by the session before, is not on the branch: it may have been moved.`,
    ),
    ...few(leftovers, "leftovers", (each) => `Left behind in the work tree: ${oneLine(each)}.`),
    ...few(unread, "files", (each) => `Not read: ${oneLine(each)}.`),
  ];
}

function otherCandidates({ choice }: Evidence): readonly string[] {
  const others = choice.as === "pending" || choice.as === "none" ? [] : choice.others;
  if (others.length === 0) return [];
  const named = others
    .slice(0, namedMax)
    .map((each) => oneLine(each))
    .join(", ");
  const rest = others.length > namedMax ? ` and ${others.length - namedMax} more` : "";
  return [`It was working on more than one task: also on ${named}${rest}.`];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export function timesSaid(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

/** What others wrote stays within its sentence. */
export function oneLine(text: string, length = 200): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}
