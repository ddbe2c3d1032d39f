/**
 * How long a brief takes, as the agent that asks for it sees it, and whether it grows with history: beside each
 * other a thousand, ten thousand and a hundred thousand commits and messages, each with 1,000 open tasks and 500
 * uncommitted files. `sent`: the work tree comes with the request. `disk`: the server reads it. `markdown`: as
 * text for a model, the work tree sent. The first read of a work tree, with nothing remembered, is `firstDiskMs`.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type WorkTreeReport } from "@lastgood/sdk";
import { ownHost } from "../packages/server/src/own-host.ts";
import type { Db } from "../packages/server/src/store/database.ts";
import { startServer } from "../packages/server/test/support/server.ts";
import type { BenchOptions } from "./run.ts";

export const name = "brief";

const sizes = [1_000, 10_000, 100_000] as const;
const openTasks = 1_000;
const filesChanged = 500;
const agent = "marketing";

interface Times {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const kinds = ["sent", "disk", "markdown"] as const;
type Kind = (typeof kinds)[number];

/** A fleet with so much history, and a session that asks. */
interface Asker {
  readonly size: number;
  readonly firstDiskMs: number;
  readonly briefBytes: number;
  readonly ask: Readonly<Record<Kind, () => Promise<unknown>>>;
  readonly took: Readonly<Record<Kind, number[]>>;
}

/** The three take turns, so that whatever else the machine does falls on all of them. */
export async function run({ short }: BenchOptions): Promise<Record<string, object>> {
  const rounds = short ? 40 : 200;
  await using opened = new AsyncDisposableStack();
  const askers: Asker[] = [];
  for (const size of sizes) askers.push(await open(size, opened));
  for (let round = -warmRounds; round < rounds; round++) {
    for (const { ask, took } of askers) {
      for (const kind of kinds) {
        const began = performance.now();
        await ask[kind]();
        if (round >= 0) took[kind].push(performance.now() - began);
      }
    }
  }
  return Object.fromEntries(
    askers.map(({ size, took, firstDiskMs, briefBytes }) => [
      `history${size}`,
      {
        ...Object.fromEntries(kinds.map((kind) => [kind, timesOf(took[kind])])),
        ...{ firstDiskMs, briefBytes },
      },
    ]),
  );
}

const warmRounds = 5;

async function open(size: number, opened: AsyncDisposableStack): Promise<Asker> {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-bench-brief-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const server = opened.use(
    await startServer({
      agents: { [agent]: { roles: ["writers"], workTrees: [folder] }, lead: {} },
    }),
  );
  const tree = makeWorkTree(folder, size);
  await fill(server.lastgood.db, size);
  const token = await server.tokenAs("agent", agent);
  const door = createClient({ url: server.lastgood.url, token });
  const workTree = { path: tree, host: ownHost() };
  const before = (await door.openSession({ leaseMs: 600_000, workTree })).record.session_id;
  await door.claimTask("task-7", before);
  await server.client.endSession(before, { reason: "crashed" });
  const { record } = await door.openSession({ leaseMs: 600_000, workTree });
  const session = record.session_id;
  const client = createClient({ url: server.lastgood.url, token, session });
  const began = performance.now();
  const first = await client.brief(agent, { session });
  const firstDiskMs = Math.round(performance.now() - began);
  requireWhole(first.workTree, first.moreMessages, size);
  const sent = first.workTree ?? undefined;
  return {
    ...{ size, firstDiskMs, briefBytes: JSON.stringify(first).length },
    ask: {
      sent: () => client.brief(agent, { session, workTree: sent }),
      disk: () => client.brief(agent, { session }),
      markdown: () => client.briefText(agent, { session, workTree: sent }),
    },
    took: { sent: [], disk: [], markdown: [] },
  };
}

/** A bench of half a brief would be a fine figure. */
function requireWhole(tree: WorkTreeReport | null, moreMessages: number, size: number): void {
  if (tree?.files.length !== filesChanged || moreMessages !== size - 50) {
    throw new Error(
      `${tree?.files.length} files, ${moreMessages} more messages: not the brief meant`,
    );
  }
}

function timesOf(took: readonly number[]): Times {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const ms = sorted[Math.floor(sorted.length * share)] ?? 0;
    return Math.round(ms * 10) / 10;
  };
  return { p50Ms: at(0.5), p95Ms: at(0.95) };
}

/** A repository of so many commits, and files that no commit has as they are. */
function makeWorkTree(folder: string, commits: number): string {
  const git = (args: readonly string[], input = "") =>
    execFileSync("git", ["-C", folder, ...args], {
      ...{ input, maxBuffer: 2 ** 28, stdio: ["pipe", "ignore", "inherit"] },
      env: { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: "1" },
    });
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "posts"), { recursive: true });
  git(["init", "--quiet", "--initial-branch=main", tree]);
  git(["-C", tree, "fast-import", "--quiet"], history(commits));
  git(["-C", tree, "reset", "--quiet", "--hard"]);
  for (let n = 0; n < filesChanged; n++) writeFileSync(fileOf(tree, n), textOf(n, 60));
  return tree;
}

const fileOf = (tree: string, n: number) => join(tree, "posts", `post-${n}.md`);
const textOf = (n: number, lines: number) => `line of post ${n}, of some words\n`.repeat(lines);

function history(commits: number): string {
  const parts: string[] = [];
  for (let n = 0; n < commits; n++) {
    const message = `feat: part ${n} [task:task-${n % openTasks}] [subtask:1/5]`;
    parts.push(
      `commit refs/heads/main\ncommitter m <m@fleet.test> ${1_700_000_000 + n} +0000\ndata ${message.length}\n${message}\n`,
    );
    if (n < filesChanged) {
      const text = textOf(n, 40);
      parts.push(`M 644 inline posts/post-${n}.md\ndata ${text.length}\n${text}\n`);
    }
  }
  return parts.join("");
}

/** Commits, messages and sessions of the past, and what is open now, straight into the tables. */
async function fill(db: Db, size: number): Promise<void> {
  const spread = 86_400_000 / size;
  await db`
    insert into changes (id, at, layer, kind, target, agent, task, to_ref, reason)
    select gen_random_uuid(), now() - n * ${spread}::float8 * interval '1 ms', 'code', 'commit', 'api',
           ${agent}, 'task-' || n % ${openTasks}::int, lpad(to_hex(n), 40, '0'), 'feat: part ' || n
    from generate_series(1, ${size}::int) n`;
  await db`
    insert into checkpoints (commit_id, agent, task, subtask_n, subtask_of, type, summary, at, author)
    select lpad(to_hex(n), 40, '0'), ${agent}, 'task-' || n % ${openTasks}::int, 1, 5, 'feat', 'part ' || n,
           now() - n * ${spread}::float8 * interval '1 ms', 'm <m@fleet.test>'
    from generate_series(1, ${size}::int) n`;
  await db`
    insert into message_log (stream, seq, at, subject, message_id, sender, headers, payload, size)
    select 'AGENT_INBOX_MARKETING', n, now() - (${size}::int - n) * interval '1 ms', 'agents.marketing.inbox',
           'message-' || n, 'lead', '{}', convert_to('{"say":"' || repeat('word ', 120) || '"}', 'UTF8'), 620
    from generate_series(1, ${size}::int) n`;
  await db`
    update message_streams set last_seq = ${size}, messages = ${size}, bytes = ${size * 620}, last_at = now()
    where name = 'AGENT_INBOX_MARKETING'`;
  await db`
    insert into tasks (id, title, agent, assigner, artifact, details, asked, created_at, updated_at)
    select 'task-' || n, 'Write post ' || n, ${agent}, 'lead',
           jsonb_build_object('path', 'posts/post-' || n % ${filesChanged}::int || '.md'), '{"tone":"plain"}', '',
           now() - n * interval '1 minute', now() - n * interval '1 minute'
    from generate_series(0, ${openTasks - 1}::int) n`;
  await db`
    insert into subtasks (task, n, title, updated_at)
    select 'task-' || t, n, 'Step ' || n, now()
    from generate_series(0, ${openTasks - 1}::int) t, generate_series(1, 5) n`;
  await db`insert into agents (name, epoch) values (${agent}, ${size})`;
  await db`
    insert into sessions (id, agent, epoch, door, started_at, ended_at, exit_reason, lease_ms, lease_until,
                          heard_at, settled_at)
    select 'sess_old_' || n, ${agent}, n, 'sdk', now() - interval '2 days' - n * interval '1 minute', now(),
           'completed', 10000, now(), now(), now()
    from generate_series(1, ${Math.round(size / 10)}::int) n`;
  for (const id of ["front", "back"]) {
    await db`select * from write_document('pages', ${id}, null, 1, gen_random_uuid(), ${agent}, '\\x00', null,
      null, '', 'put', 1::smallint, '{}')`;
  }
  // What was just written is not to be cleaned up and flushed while it is measured.
  await db.unsafe("vacuum analyze");
  await db.unsafe("checkpoint");
}
