/**
 * Gathers what a brief is made of. What does not depend on each other is asked at once, in three rounds: who
 * it is and what is open; then the work tree, and what was read; then what became of the commits.
 *
 *   G1. Every question is bounded, and answered by an index: a long history costs nothing.
 *   G2. What cannot be asked now, such as messages while NATS is away, is a doubt and not a failure.
 */
import type {
  Brief,
  BriefCommit,
  BriefRequest,
  CheckpointCommit,
  WorkTreeReport,
} from "@lastgood/sdk";
import { type Checkpoint, findCheckpoints } from "../checkpoints/checkpoint-store.ts";
import { Fault } from "../fault.ts";
import { needsRecovery, type Session } from "../fleet/session.ts";
import { findSessions } from "../fleet/session-store.ts";
import { findVersion } from "../layers/state/document-store.ts";
import { toDocument } from "../layers/state/state-shapes.ts";
import type { Db } from "../store/database.ts";
import { sessionIsOver } from "../store/living-session.ts";
import { briefOf, type Parts, taskCommitsOf } from "./brief.ts";
import type { BriefDeps } from "./brief-deps.ts";
import {
  changedInputs,
  containmentsSince,
  parkedBecause,
  takenBackSince,
  wasBriefed,
  withReverts,
} from "./brief-store.ts";
import { type Choice, chooseTask } from "./choose-task.ts";
import { uncommitted } from "./conclude.ts";
import { readTree } from "./read-tree.ts";

const sessionsMax = 12;
const tasksMax = 50;
const messagesMax = 50;
const effectsMax = 50;
const inputsMax = 50;
const skillsMax = 5;
const recordedMax = 20;
const taskCommitsMax = 200;

/**
 * Rebuilt from records, under the configuration as it is now. `mustLive`: whoever asks in a session that is over
 * is told so (`fenced`), and not how to go on.
 */
export async function gather(
  deps: BriefDeps,
  agent: string,
  request: BriefRequest,
  { mustLive }: { readonly mustLive: boolean },
): Promise<Brief> {
  const at = deps.world.now();
  const who = await askWho(deps, agent, request.session ?? null, mustLive);
  const { session, before, open, unknown, inbox, state } = who;
  const ids = before.map(({ id }) => id);
  const choice = chooseTask(open.tasks, { agent, session: session?.id ?? null, before: ids });
  const was = await askWhatWas(deps, agent, who, choice, request);
  const { tree, inputs, contained, takenBack, learned } = was;
  const branch = tree.report?.commits ?? null;
  const artifact = choice.task?.artifact?.path ?? null;
  const recorded = who.recorded.map(toCommit);
  const ofTask = taskCommitsOf(
    choice.task?.id ?? null,
    was.ofTask.map(toCommit),
    branch ?? [],
    taskCommitsMax,
  );
  const reverted = await withReverts(deps.db, [...ofTask, ...recorded, ...(branch ?? [])]);
  const marked = (commits: readonly CheckpointCommit[]): readonly BriefCommit[] =>
    commits.map((each) => ({ ...each, reverted: reverted.get(each.commit) ?? null }));
  return briefOf({
    ...{ agent, at, session, before, choice, inputs, place: tree.place },
    ...{ recorded: marked(recorded), branch: branch === null ? null : marked(branch) },
    taskCommits: marked(ofTask),
    ...{ tasks: open.tasks, moreTasks: open.more },
    ...{ messages: inbox.messages, moreMessages: inbox.more, holds: inbox.holds },
    state: state?.body.kind === "json" ? toDocument(state) : null,
    workTree: tree.report,
    measured: artifact === null ? null : measuredIn(deps, agent, tree.report, artifact),
    effects: unknown.effects,
    skills: learned.skills.map(({ name, service, description, updatedAt }) => ({
      ...{ name, service, description, updatedAt },
    })),
    moreSkills: learned.more,
    told: { contained, takenBack, parked: who.parked },
    unanswered: [
      ...inbox.doubts,
      ...tree.doubts,
      ...(unknown.more
        ? [`More than ${effectsMax} effects are unknown: see \`lastgood effects list\`.`]
        : []),
    ],
  });
}

type Who = Awaited<ReturnType<typeof askWho>>;

/** Whoever asks, what it has to do, and what waits for it. */
async function askWho(deps: BriefDeps, agent: string, named: string | null, mustLive: boolean) {
  const { db, tasks, effects, reads } = deps;
  const roles = deps.configuration.current().agents[agent]?.roles ?? [];
  const [sessions, open, unknown, inbox, state, recorded, parked, briefed] = await Promise.all([
    sessionsOf(db, agent, named, mustLive),
    tasks.openFor(agent, roles, tasksMax),
    effects.unknownOf(agent, effectsMax),
    inboxOf(deps, agent, roles),
    findVersion(db, { collection: "agents", id: agent }),
    findCheckpoints(db, { agent, limit: recordedMax }),
    parkedBecause(db, agent),
    named === null ? false : wasBriefed(db, named),
    reads.flush(),
  ]);
  return { ...sessions, open, unknown, inbox, state, recorded, parked, briefed };
}

/** What the sessions before had in hand, and what became of it since. */
async function askWhatWas(
  { db, world, workTrees, skills }: BriefDeps,
  agent: string,
  { session, before, briefed }: Who,
  choice: Choice,
  { workTree: sent }: BriefRequest,
) {
  const ids = [...(session === null ? [] : [session]), ...before].map(({ id }) => id);
  const since = before.at(-1)?.startedAt ?? session?.startedAt ?? world.now();
  const [tree, ofTask, inputs, contained, takenBack, learned] = await Promise.all([
    sent === undefined
      ? readTree(workTrees, { session, before: before[0] ?? null, ownTreeFirst: briefed })
      : { report: sent, place: sent.path, doubts: [] },
    choice.task === null
      ? []
      : findCheckpoints(db, { task: choice.task.id, limit: taskCommitsMax }),
    changedInputs(db, agent, ids, inputsMax),
    containmentsSince(db, agent, since),
    takenBackSince(db, agent, since),
    // Whoever was never here before knows none of them.
    skills.since(before.at(-1)?.startedAt ?? null, skillsMax),
  ]);
  return { tree, ofTask, inputs, contained, takenBack, learned };
}

/** An artifact that is committed is in no list of what is not: it is looked at, where the disk is at hand. */
function measuredIn(
  { workTrees }: BriefDeps,
  agent: string,
  report: WorkTreeReport | null,
  artifact: string,
): Parts["measured"] {
  if (workTrees === null || report === null || report.source !== "disk") return null;
  if (report.host !== workTrees.host || uncommitted(artifact, report) !== null) return null;
  return workTrees.mayRead(agent, report.path) ? workTrees.measure(report.path, artifact) : null;
}

/** The asking session, and what came before: up to the last clean end, which is not among it if others are. */
async function sessionsOf(
  db: Db,
  agent: string,
  named: string | null,
  mustLive: boolean,
): Promise<{ readonly session: Session | null; readonly before: readonly Session[] }> {
  const [latest, [session = null]] = await Promise.all([
    findSessions(db, { agent, limit: sessionsMax }),
    named === null ? [] : findSessions(db, { id: named, limit: 1 }),
  ]);
  if (named !== null && session?.agent !== agent) {
    throw new Fault(
      "not_found",
      `There is no session ${named.slice(0, 200)} of ${agent}: list them with \`lastgood sessions --agent ${agent}\`.`,
      { context: { path: "session" } },
    );
  }
  if (session !== null && session.endedAt !== null && mustLive) throw sessionIsOver(session.id);
  const older = latest.filter(({ epoch }) => session === null || epoch < session.epoch);
  const clean = older.findIndex((each) => !needsRecovery(each));
  return { session, before: older.slice(0, clean === -1 ? older.length : Math.max(1, clean)) };
}

async function inboxOf(
  { messages }: BriefDeps,
  agent: string,
  roles: readonly string[],
): Promise<
  Pick<Brief, "messages"> &
    Readonly<Record<"holds" | "doubts", readonly string[]>> & { readonly more: number }
> {
  const inboxes = await messages.inboxesOf(agent, roles);
  const holds = inboxes.flatMap((inbox) => inbox.holds.map((hold) => `${hold} (${inbox.name})`));
  const names = inboxes.map(({ name }) => name);
  try {
    return { ...(await messages.waitingFor(names, messagesMax)), holds, doubts: [] };
  } catch (error) {
    // G2.
    if (!(error instanceof Fault) || error.code !== "layer_unreachable") throw error;
    const doubts = [`Which messages wait could not be read: ${error.message}`];
    return { messages: [], more: 0, holds, doubts };
  }
}

function toCommit({ commit, at, author, type, scope, summary, task, subtask }: Checkpoint) {
  return { type, scope, summary, task, subtask, commit, at: at.toISOString(), author };
}
