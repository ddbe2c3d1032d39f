/** What the killer reads in the world when all is over. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Effect, Lastgood, Session, Task } from "@lastgood/sdk";
import { readOutside } from "../../../src/drills/outside/outside.ts";
import { isQuestion, type Job, jobOf } from "./job.ts";

const run = promisify(execFile);

export interface WorldAtEnd {
  /** What was asked for, by id. */
  readonly given: readonly string[];
  readonly jobs: readonly Job[];
  readonly tasks: ReadonlyMap<string, Task>;
  readonly waiting: readonly string[];
  readonly deadLetters: readonly string[];
  readonly sessions: ReadonlyMap<string, Session>;
  /** `<message> <kind>` of each effect that was wanted. */
  readonly wanted: readonly string[];
  /** What the outside has of them: the ids under which it was sent. */
  readonly outside: ReadonlyMap<string, readonly string[]>;
  /** Those that were listed as unknown before somebody settled them. */
  readonly unknown: readonly Effect[];
  readonly listedAt: number;
  /** Names of those that their agent could look up. */
  readonly looked: ReadonlySet<string>;
  readonly history: ReadonlyMap<
    string,
    readonly { readonly id: string; readonly subject: string }[]
  >;
  readonly recorded: ReadonlySet<string>;
  readonly files: ReadonlyMap<string, string>;
  readonly pages: number;
  readonly released: number;
  /** What the server logged as errors. */
  readonly errors: readonly string[];
}

export interface Reading {
  readonly client: Lastgood;
  readonly folder: string;
  readonly agents: readonly string[];
  readonly seed: number;
  readonly given: readonly string[];
  readonly unknown: readonly Effect[];
  readonly listedAt: number;
  readonly released: number;
}

const limit = 1_000;
/** More are not listed at once. */
export const pagesMax = 200;

export async function readWorld(reading: Reading): Promise<WorldAtEnd> {
  const { client, folder, agents, seed, given, unknown, listedAt, released } = reading;
  const jobs = given.flatMap((id) => {
    const [, agent = "", index = ""] = id.split("-");
    return isQuestion(Number(index)) ? [] : [jobOf(seed, agent, Number(index))];
  });
  const kinds = new Map(jobs.map(({ id, effects }) => [id, effects]));
  const effectsOf = (id: string) => kinds.get(id) ?? [{ kind: "reply", hasLookup: true }];
  const things = await readOutside(folder);
  const outside = new Map<string, string[]>();
  for (const { key, kind, name } of things) {
    outside.set(`${name} ${kind}`, [...(outside.get(`${name} ${kind}`) ?? []), key]);
  }
  const inboxes = await Promise.all(agents.map((agent) => client.inbox(agent)));
  const { deadLetters } = await client.deadLetters();
  const { pages } = await client.pages({ limit: pagesMax });
  return {
    ...{ given, jobs, unknown, listedAt, released },
    tasks: new Map(
      (
        await all(
          agents,
          async (agent) => (await client.tasks({ agent, state: "all", limit })).tasks,
        )
      ).map((task) => [task.id, task]),
    ),
    waiting: inboxes.flatMap(({ messages }) => messages.map(({ id }) => id)),
    deadLetters: deadLetters.map(({ messageId }) => messageId),
    sessions: await sessionsOf(client, agents),
    wanted: given.flatMap((id) => effectsOf(id).map(({ kind }) => `${id} ${kind}`)),
    outside,
    looked: new Set(
      given.flatMap((id) =>
        effectsOf(id).flatMap(({ kind, hasLookup }) => (hasLookup ? [`${id} ${kind}`] : [])),
      ),
    ),
    history: new Map(
      await Promise.all(
        agents.map(async (agent) => [agent, await historyOf(join(folder, "work", agent))] as const),
      ),
    ),
    recorded: new Set(
      (
        await all(agents, async (agent) => (await client.checkpoints({ agent, limit })).checkpoints)
      ).map(({ commit }) => commit),
    ),
    files: new Map(
      await Promise.all(
        jobs.map(async ({ id, agent, path }) => {
          const file = join(folder, "work", agent, path);
          return [id, await readFile(file, "utf8").catch(() => "")] as const;
        }),
      ),
    ),
    pages: pages.length,
    errors: await errorsIn(join(folder, "home/server.log")),
  };
}

export async function sessionsOf(
  client: Lastgood,
  agents: readonly string[],
): Promise<ReadonlyMap<string, Session>> {
  const found = await all(
    agents,
    async (agent) => (await client.sessions({ agent, limit })).sessions,
  );
  return new Map(found.map((session) => [session.record.session_id, session]));
}

async function all<T>(
  agents: readonly string[],
  read: (agent: string) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  return (await Promise.all(agents.map(read))).flat();
}

const pinoError = 50;

async function errorsIn(log: string): Promise<readonly string[]> {
  const lines = (await readFile(log, "utf8")).split("\n");
  return lines.filter((line) => Number(/"level":(\d+)/.exec(line)?.[1] ?? 0) >= pinoError);
}

async function historyOf(tree: string) {
  const { stdout } = await run("git", ["-C", tree, "log", "--format=%H %s"], {
    maxBuffer: 16_777_216,
  });
  return stdout
    .trim()
    .split("\n")
    .map((line) => ({ id: line.slice(0, 40), subject: line.slice(41) }));
}
