/** What the drill reads in the world with its own eyes, while it still stands. */
import type { Client, Effect, Session, Task } from "@lastgood/sdk";
import { type JournalLine, readJournal } from "../journal.ts";
import { type Given, readOutside } from "../outside/outside.ts";
import { git } from "../run-git.ts";
import { deputy, editor, type Story, writer } from "./story.ts";
import type { EvictionWorld } from "./world.ts";

export interface Facts {
  /** Of the writers, in the order in which they began. */
  readonly sessions: readonly Session[];
  /** What the writers wrote of themselves, in the order of time. */
  readonly acts: readonly Act[];
  /** What kinds of things the editor was told, one for each time. */
  readonly told: readonly string[];
  /** What the outside has. */
  readonly given: readonly Given[];
  /** What the ledger has of it. */
  readonly effects: readonly Effect[];
  readonly tasks: readonly Task[];
  readonly waiting: number;
  readonly deadLetters: number;
  readonly pages: number;
  /** Of the remote's branch, oldest first. */
  readonly commits: readonly string[];
  /** The post as the remote's branch has it; empty where it has none. */
  readonly written: string;
}

export interface Act extends JournalLine {
  readonly agent: string;
}

const limit = 1_000;

export async function readFacts(
  client: Client,
  world: EvictionWorld,
  { post }: Story,
): Promise<Facts> {
  const writers = [writer, deputy];
  const [sessions, effects, tasks, inboxes, { deadLetters }, { pages }] = await Promise.all([
    Promise.all(writers.map(async (agent) => (await client.sessions({ agent, limit })).sessions)),
    client.effects({ limit }),
    client.tasks({ state: "all", limit }),
    Promise.all(writers.map((agent) => client.inbox(agent))),
    client.deadLetters(),
    client.pages(),
  ]);
  const journals = await Promise.all(
    writers.map(async (agent) =>
      (await readJournal(world.folder, agent)).map((line): Act => ({ ...line, agent })),
    ),
  );
  return {
    sessions: sessions.flat().sort((one, other) => compare(startOf(one), startOf(other))),
    acts: journals.flat().sort((one, other) => compare(one.at, other.at)),
    told: toldTypes(await readJournal(world.folder, editor)),
    given: await readOutside(world.folder),
    effects: effects.effects,
    tasks: tasks.tasks,
    waiting: inboxes.reduce((sum, { messages, more }) => sum + messages.length + more, 0),
    deadLetters: deadLetters.length,
    pages: pages.length,
    ...(await readBranch(world, post.path)),
  };
}

async function readBranch(
  { remote, branch }: EvictionWorld,
  path: string,
): Promise<Pick<Facts, "commits" | "written">> {
  const log = await git(remote, "founder", "rev-list", "--reverse", branch);
  const exists = await git(remote, "founder", "ls-tree", "--name-only", branch, path);
  // Git's answers are trimmed, and the post ends with a line.
  const written = exists === "" ? "" : await git(remote, "founder", "show", `${branch}:${path}`);
  return { commits: log.split("\n"), written: written === "" ? "" : `${written}\n` };
}

/** The kinds of what Lastgood told somebody, one for each time. */
export function toldTypes(journal: readonly JournalLine[]): readonly string[] {
  return journal
    .filter(({ event }) => event === "told")
    .map(({ payload }) => (payload as { readonly type?: string }).type ?? "");
}

function startOf({ record }: Session): string {
  return record.started_at;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
