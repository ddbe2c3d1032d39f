/** What a restarted agent must know, from what was gathered. Pure. */
import type { Brief, BriefCommit, CheckpointCommit, Document, WorkTreeReport } from "@lastgood/sdk";
import { needsRecovery, type Session, toRecord } from "../fleet/session.ts";
import { conclude, type Evidence } from "./conclude.ts";
import { noticesOf, type Told } from "./notices.ts";

export interface Parts extends Omit<Evidence, "before" | "lostCommits" | "reverted"> {
  readonly at: Date;
  readonly session: Session | null;
  /** The session before and, where it did not end cleanly, those before it that did not either. */
  readonly before: readonly Session[];
  /** The agent's own as they were recorded, newest first. */
  readonly recorded: readonly BriefCommit[];
  /** Of the branch, where its work tree was read. */
  readonly branch: readonly BriefCommit[] | null;
  readonly told: Omit<Told, "before">;
  readonly state: Document | null;
  readonly skills: Brief["skills"];
  readonly moreSkills: number;
  /** Who holds the agent's inboxes back. */
  readonly holds: readonly string[];
}

const commitsMax = 20;

export function briefOf(parts: Parts): Brief {
  const { agent, at, session, before, recorded, branch, workTree, told } = parts;
  const [last = null] = before;
  const record = last === null ? null : toRecord(last);
  const lostCommits = lostFrom(workTree, last, recorded);
  return {
    ...{ agent, at: at.toISOString(), session: session?.id ?? null, before: record },
    recovery: needsRecovery(last) ? "full" : "fresh",
    notices: noticesOf({ ...told, before }),
    // A folder without a commit says nothing of what was committed elsewhere.
    commits: (branch === null || branch.length === 0 ? recorded : branch).slice(0, commitsMax),
    taskCommits: parts.taskCommits,
    ...{ tasks: parts.tasks, moreTasks: parts.moreTasks },
    ...{ messages: parts.messages, moreMessages: parts.moreMessages },
    ...{ state: parts.state, workTree, effects: parts.effects, pins: [], inputs: parts.inputs },
    leftovers: leftoversOf(parts),
    ...{ skills: parts.skills, moreSkills: parts.moreSkills },
    conclusion: conclude({ ...parts, before: record, lostCommits, reverted: told.takenBack }),
  };
}

/** What is still held in the name of somebody who is gone. */
function leftoversOf({ tasks, before, workTree, holds }: Parts): readonly string[] {
  const over = new Set(before.filter(({ endedAt }) => endedAt !== null).map(({ id }) => id));
  const claims = tasks.flatMap(({ id, claim }) =>
    claim !== null && over.has(claim.session)
      ? [`The task ${id} is still claimed by ${claim.session}, which is over.`]
      : [],
  );
  return [
    ...claims,
    ...holds.map((hold) => `An inbox is held by ${hold}.`),
    ...(workTree?.leftovers ?? []),
  ];
}

/**
 * Commits that the session before recorded and that its branch should show, and does not: later than the oldest
 * that was read of it.
 */
function lostFrom(
  workTree: WorkTreeReport | null,
  last: Session | null,
  recorded: readonly CheckpointCommit[],
): readonly string[] {
  const oldest = workTree?.commits.at(-1);
  if (workTree === null || last === null || oldest === undefined) return [];
  const there = new Set(workTree.commits.map(({ commit }) => commit));
  return recorded
    .filter(({ commit, at }) => last.commits.includes(commit) && isLater(at, oldest.at))
    .map(({ commit }) => commit)
    .filter((commit) => !there.has(commit));
}

/** Times may be written with an offset. */
function isLater(one: string, other: string): boolean {
  return Date.parse(one) > Date.parse(other);
}

/** Recorded ones and those of the branch together, newest first: each once. */
export function taskCommitsOf(
  task: string | null,
  recorded: readonly CheckpointCommit[],
  branch: readonly CheckpointCommit[],
  limit: number,
): readonly CheckpointCommit[] {
  if (task === null) return [];
  const known = new Set(recorded.map(({ commit }) => commit));
  const unrecorded = branch.filter((each) => each.task === task && !known.has(each.commit));
  // Both are in order; what was only read of the branch was not reported yet, and is the latest.
  const all = [...unrecorded, ...recorded];
  return all.toSorted((one, other) => Date.parse(other.at) - Date.parse(one.at)).slice(0, limit);
}
