/**
 * What happens to the writer at the seeded point. Whoever does it watches what the writer announces of itself,
 * and acts from outside: with SIGKILL, or with a word through the pipe on which the writer waits.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Client } from "@lastgood/sdk";
import { followJournal, type JournalLine } from "../journal.ts";
import { until } from "../until.ts";
import type { Hold } from "./agents/agent-process.ts";
import { wordsIn } from "./post.ts";
import { nameOf, type Point, type Story, writer } from "./story.ts";
import { type EvictionWorld, workTreeOf } from "./world.ts";

const run = promisify(execFile);

/** How it stood when the writer was gone, or had forgotten everything. */
export interface Interrupted {
  readonly at: string;
  readonly pid: number;
  readonly session: string;
  /** In the work tree at that moment. */
  readonly words: number;
}

export interface Interruption {
  /** The pipes on which the writer stands still; none where it is to run on. */
  readonly holds: readonly Hold[];
  /** SIGKILL to the writer and all that it started, and to its wrapper where the whole machine goes. */
  kill(wrapper: ChildProcess | null): Promise<Interrupted>;
  /** The writer lives on, and is told that it has forgotten everything. */
  compact(): Promise<Interrupted>;
  /** Lets the writer go on once its work tree was saved with what it has written. */
  waitUntilSaved(client: Client): Promise<void>;
}

const pointMsMax = 60_000;
/** A work tree is saved every half minute. */
const savedMsMax = 45_000;

export async function prepareInterruption(
  world: EvictionWorld,
  story: Story,
  signal: AbortSignal,
): Promise<Interruption> {
  const { kill } = story;
  const saving: Point = { ...kill.point, step: "words that are saved" };
  const points = [
    ...(kill.savedWords === null ? [] : [saving]),
    ...(kill.held ? [kill.point] : []),
  ];
  const holds: Hold[] = [];
  for (const [index, point] of points.entries()) {
    const pipe = join(world.folder, `hold-${index}.pipe`);
    await run("mkfifo", [pipe]);
    holds.push({ point: nameOf(point), pipe });
  }
  const follow = followJournal(world.folder, writer);
  const seen: JournalLine[] = [];

  async function reached(point: Point) {
    const name = nameOf(point);
    const find = async () => {
      seen.push(...follow());
      const found = seen.find((line) => line.event === "at" && line.point === name);
      const session = seen.findLast((line) => line.event === "session");
      if (found === undefined || session === undefined) return null;
      return { pid: Number(found.pid), session: String(session.session) };
    };
    return await until(`${writer} to reach "${name}"`, find, {
      ...{ withinMs: pointMsMax, everyMs: 2, signal },
    });
  }

  async function say(point: Point, word: string): Promise<void> {
    const hold = holds.find((each) => each.point === nameOf(point));
    if (hold === undefined) throw new Error(`nothing holds ${writer} at "${nameOf(point)}"`);
    await writeFile(hold.pipe, word);
    await rm(hold.pipe);
  }

  return {
    holds,
    async kill(wrapper) {
      const { pid, session } = await reached(kill.point);
      wrapper?.kill("SIGKILL");
      process.kill(-pid, "SIGKILL");
      const at = new Date().toISOString();
      // Whoever comes next and passes here is held no more.
      for (const { pipe } of holds) await rm(pipe, { force: true });
      await until(`the process ${pid} to be gone`, async () => (isThere(pid) ? null : true), {
        ...{ withinMs: 10_000, everyMs: 2, signal },
      });
      return { at, pid, session, words: await wordsOnDisk(world, story) };
    },
    async compact() {
      const { pid, session } = await reached(kill.point);
      const words = await wordsOnDisk(world, story);
      const at = new Date().toISOString();
      await say(kill.point, "forget");
      return { at, pid, session, words };
    },
    async waitUntilSaved(client) {
      const { session } = await reached(saving);
      const words = await wordsOnDisk(world, story);
      const look = async () => {
        const { report } = await client.savedWorkTree(session);
        const file = report?.files.find(({ path }) => path === story.post.path);
        return file?.words === words ? true : null;
      };
      await until("the work tree to be saved", look, { withinMs: savedMsMax, signal });
      await say(saving, "go on");
    },
  };
}

async function wordsOnDisk({ folder }: EvictionWorld, { post }: Story): Promise<number> {
  const file = join(workTreeOf(folder, writer), post.path);
  return wordsIn(await readFile(file, "utf8").catch(() => ""));
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
