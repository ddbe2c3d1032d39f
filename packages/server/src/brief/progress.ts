/** How far a task is: its own record held against what its commits say. Pure. */
import type { BriefCommit, Task } from "@lastgood/sdk";

export interface Progress {
  /** The first subtask that is not done. Null where the task has none, or where all are done. */
  readonly next: { readonly n: number; readonly of: number; readonly title: string } | null;
  /** How many subtasks there are; 0 where nothing says. */
  readonly of: number;
  readonly begun: boolean;
  readonly doubts: readonly string[];
}

/**
 * A mark `3/5` says that three of five are done. Where the record says less the commits are believed, since
 * the work is there; where a commit was taken back its subtask is not done, whatever the record says.
 */
export function progressOf(task: Task, commits: readonly BriefCommit[]): Progress {
  const marked = commits.flatMap(({ subtask, reverted, commit }) =>
    subtask === null ? [] : [{ ...subtask, commit, isReverted: reverted !== null }],
  );
  const standing = marked.filter(({ isReverted }) => !isReverted);
  const reached = Math.max(0, ...standing.map(({ n }) => n));
  const takenBack = marked.filter(
    (mark, index) =>
      mark.isReverted && !marked.slice(0, index).some((newer) => isRedone(mark, newer)),
  );
  const completed = task.subtasks.filter(({ state }) => state === "completed").map(({ n }) => n);
  const of = task.subtasks.length > 0 ? task.subtasks.length : (standing[0]?.of ?? 0);
  const isTaken = (n: number) => takenBack.some((mark) => mark.n === n);
  const isDone = (n: number) => !isTaken(n) && (n <= reached || completed.includes(n));
  const late = task.subtasks.filter(
    ({ n, state }) => n <= reached && state !== "completed" && !isTaken(n),
  );
  const first = Array.from({ length: Math.min(of, countedMax) }, (_, index) => index + 1).find(
    (n) => !isDone(n),
  );
  return {
    of,
    next:
      first === undefined
        ? null
        : { n: first, of, title: task.subtasks.find(({ n }) => n === first)?.title ?? "" },
    begun: marked.length > 0 || task.subtasks.some(({ state }) => state !== "pending"),
    doubts: [
      ...behind(late, reached, of),
      ...ahead(
        completed.filter((n) => n > reached && !isTaken(n)),
        reached,
        of,
      ),
      ...takenBack.map(
        ({ n, commit }) =>
          `Subtask ${n} counts as not done: its commit ${commit.slice(0, 7)} was reverted.`,
      ),
      ...miscounted(task, standing),
    ],
  };
}

const countedMax = 1_000;

type Mark = { readonly n: number; readonly isReverted: boolean };

function isRedone(mark: Mark, newer: Mark): boolean {
  return newer.n === mark.n && !newer.isReverted;
}

function behind(
  late: readonly { readonly n: number }[],
  reached: number,
  of: number,
): readonly string[] {
  if (late.length === 0) return [];
  const which = late.map(({ n }) => n).join(", ");
  const says = `Its commits say that ${reached} of ${of} subtasks are done, the task's record does not`;
  return [`${says} (${which}): the commits are believed. Bring the record up to date.`];
}

/** Only where the task's commits mark subtasks at all: some subtasks leave no commit. */
function ahead(beyond: readonly number[], reached: number, of: number): readonly string[] {
  if (reached === 0 || beyond.length === 0) return [];
  const says = `The record has subtask ${beyond.join(", ")} of ${of} as done, the commits only ${reached}`;
  return [`${says}: look whether that work was committed.`];
}

function miscounted({ subtasks }: Task, standing: readonly { readonly of: number }[]) {
  const other = standing.find(({ of }) => subtasks.length > 0 && of !== subtasks.length);
  if (other === undefined) return [];
  return [`A commit counts ${other.of} subtasks, and the task has ${subtasks.length}.`];
}
