/**
 * The SQL of checkpoints. A commit is one checkpoint of an agent, however it became known.
 *
 *   K1. Whoever records it first stands; a later record adds what the first did not know, and nothing else.
 *   K2. A push whose author is nobody's configured address is taken over by the session that reports the
 *       commit as its own: it is not there twice.
 */
import type { CheckpointMarks } from "@lastgood/sdk";
import type { Query, Tx } from "../store/database.ts";

export interface Checkpoint extends CheckpointMarks {
  readonly agent: string;
  readonly commit: string;
  readonly repository: string | null;
  readonly session: string | null;
  readonly at: Date;
  readonly author: string;
}

/** Reported by a session. Answers with what stands. */
export async function recordReported(tx: Tx, reported: Checkpoint): Promise<Checkpoint> {
  const { agent, commit, session } = reported;
  // K2.
  await tx`
    update checkpoints c set agent = ${agent}
    where c.commit_id = ${commit} and c.agent <> ${agent}
      and not exists (select from agents a where a.name = c.agent)
      and not exists (select from checkpoints o where o.commit_id = ${commit} and o.agent = ${agent})`;
  await tx`
    insert into checkpoints ${tx(rowOf(reported))}
    on conflict (commit_id, agent) do update set
      session = coalesce(checkpoints.session, excluded.session),
      repository = coalesce(checkpoints.repository, excluded.repository)
      where (checkpoints.session is null and excluded.session is not null)
        or (checkpoints.repository is null and excluded.repository is not null)`;
  const [row] = await tx<Row[]>`
    select ${columns(tx)} from checkpoints c where commit_id = ${commit} and agent = ${agent}`;
  if (row === undefined) throw new Error(`the checkpoint ${commit} of ${session} is gone`);
  return toCheckpoint(row);
}

/** Seen on a branch, oldest first. What a session reported before learns its repository. */
export async function recordPushed(tx: Query, pushed: readonly Checkpoint[]): Promise<void> {
  if (pushed.length === 0) return;
  const commits = pushed.map(({ commit }) => commit);
  await tx`
    update checkpoints c set repository = p.repository
    from unnest(${commits}::text[], ${pushed.map(({ repository }) => repository)}::text[])
      as p (commit_id, repository)
    where c.commit_id = p.commit_id and c.repository is null`;
  const known = await tx<{ commit: string }[]>`
    select commit_id as commit from checkpoints where commit_id = any(${commits})`;
  const there = new Set(known.map(({ commit }) => commit));
  const missing = pushed.filter(({ commit }) => !there.has(commit));
  if (missing.length === 0) return;
  await tx`
    insert into checkpoints ${tx(missing.map(rowOf))} on conflict (commit_id, agent) do nothing`;
}

export interface CheckpointFilter {
  readonly agent?: string | undefined;
  readonly task?: string | undefined;
  readonly session?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findCheckpoints(
  db: Query,
  { agent, task, session, limit }: CheckpointFilter,
): Promise<readonly Checkpoint[]> {
  const rows = await db<Row[]>`
    select ${columns(db)} from checkpoints c
    where true
      ${agent === undefined ? db`` : db`and agent = ${agent}`}
      ${task === undefined ? db`` : db`and task = ${task}`}
      ${session === undefined ? db`` : db`and session = ${session}`}
    order by at desc, seq desc limit ${limit}`;
  return rows.map(toCheckpoint);
}

interface Row extends Omit<Checkpoint, "subtask"> {
  readonly n: number | null;
  readonly of: number | null;
}

function toCheckpoint({ n, of, ...row }: Row): Checkpoint {
  return { ...row, subtask: n === null || of === null ? null : { n, of } };
}

function columns(db: Query) {
  return db`c.agent, c.commit_id as commit, c.repository, c.session, c.task, c.subtask_n as n,
    c.subtask_of as of, c.type, c.scope, c.summary, c.at, c.author`;
}

function rowOf({ commit, subtask, ...rest }: Checkpoint) {
  const { agent, repository, session, task, type, scope, summary, at, author } = rest;
  return {
    ...{ commit_id: commit, agent, repository, session, task },
    ...{ subtask_n: subtask?.n ?? null, subtask_of: subtask?.of ?? null },
    ...{ type, scope, summary, at, author },
  };
}

/** The registered repository that the session works on; null where it named none. */
export async function repositoryOf(tx: Tx, session: string): Promise<string | null> {
  const [row] = await tx<{ repository: string | null }[]>`
    select work_tree->>'repository' as repository from sessions where id = ${session}`;
  return row?.repository ?? null;
}

const commitsKeptMax = 1_000;

/** The session's own list of what it committed, in order; the last 1,000. */
export async function listInSession(tx: Tx, session: string, commit: string): Promise<void> {
  await tx`
    update sessions set commits =
      commits[greatest(1, cardinality(commits) - ${commitsKeptMax - 2}) :] || ${commit}::text
    where id = ${session} and not ${commit} = any(commits)`;
}
