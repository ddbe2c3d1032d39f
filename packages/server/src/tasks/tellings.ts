/** Who must hear of what happened to a task. Pure: a telling is written with the change that it tells of. */
import type { TaskAct } from "@lastgood/sdk";
import type { InboxMessage, Recipient } from "../layers/messages/inboxes.ts";
import type { Task } from "./task.ts";

export interface Telling {
  readonly to: Recipient;
  readonly message: InboxMessage;
}

export interface Happened {
  readonly what: TaskAct | "assign";
  readonly who: string;
  readonly because: string;
  /** Of the history's entry: the same entry is told once, whatever is retried. */
  readonly entry: number;
}

const toAssigner: Partial<Record<Happened["what"], string>> = {
  complete: "completed",
  fail: "failed",
  block: "blocked",
};
const toAssignee: Partial<Record<Happened["what"], string>> = {
  assign: "assigned",
  unblock: "unblocked",
  reopen: "reopened",
};

/** Nobody is told of what it did itself; a person (`token:…`) has no inbox. */
export function tellingOf(task: Task, happened: Happened): Telling | null {
  const ended = toAssigner[happened.what];
  if (ended !== undefined) {
    const { assigner } = task;
    if (assigner.startsWith("token:") || assigner === happened.who) return null;
    return { to: assigner, message: messageOf(task, ended, happened) };
  }
  const wanted = toAssignee[happened.what];
  if (wanted === undefined || task.agent === happened.who) return null;
  const message = messageOf(task, wanted, happened);
  if (task.agent !== null) return { to: task.agent, message };
  return task.role === null ? null : { to: { role: task.role }, message };
}

/** Small, whatever the task holds: whoever is told reads the task itself. */
function messageOf(task: Task, word: string, { who, because, entry }: Happened): InboxMessage {
  const why = because === "" ? "" : `: ${because}`;
  return {
    id: `${task.id}-${word}-${entry}`,
    type: `task.${word}`,
    text: `${who} ${word} the task ${task.id} ("${task.title}")${why}`,
    details: {
      task: task.id,
      title: task.title,
      state: task.phase.state,
      by: who,
      ...(because === "" ? {} : { because }),
      ...(word === "failed" ? { failures: task.failures } : {}),
    },
  };
}
