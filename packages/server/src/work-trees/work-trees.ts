/**
 * Work trees as the server has them: read where they are when that is on this machine, and as they were saved
 * last.
 *
 * Owns `<home>/work-trees` (a bare repository per agent) and the table of what was saved. Whoever saves is the
 * session itself: while it lives, and a last time after that.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SavedWorkTree, WorkTreePlace, WorkTreeReport } from "@lastgood/sdk";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { createGit } from "../git/git.ts";
import type { App } from "../http/app.ts";
import { type Loop, startLoop } from "../loop.ts";
import { ownHost } from "../own-host.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type AgentStore, keepOnly, openAgentStore, storeName } from "./agent-store.ts";
import { createTurns } from "./in-turn.ts";
import { readWorkTree } from "./read-work-tree.ts";
import { keeping } from "./saves.ts";
import { type SavedWorkTrees, sentReport, workTreesRoutes } from "./work-trees-routes.ts";
import {
  agentOf,
  findWorkTree,
  forgetWorkTrees,
  putWorkTree,
  requireMaySave,
  savesHeld,
  sessionsKept,
} from "./work-trees-store.ts";

export interface WorkTrees extends SavedWorkTrees {
  /** This machine, as the places of work trees name it. */
  readonly host: string;
  /** Reads the disk: only on the machine that the place names. */
  read(place: WorkTreePlace, signal: AbortSignal): Promise<WorkTreeReport>;
  /** What was saved last of the session's work tree; its source is `saved`. */
  saved(session: string): Promise<WorkTreeReport | null>;
  /** Forgets what is kept no longer. */
  forget(signal: AbortSignal): Promise<void>;
  routes(app: App): void;
  stop(): Promise<void>;
}

export interface WorkTreesDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly home: string;
}

/** Whoever waits for a brief gets it without the commits rather than late. */
const fetchMsMax = 3_000;
const forgetEveryMs = 3_600_000;

export async function createWorkTrees(deps: WorkTreesDeps): Promise<WorkTrees> {
  const { db, world, log, home } = deps;
  const folder = join(home, "work-trees");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweep(folder);
  const git = createGit(folder);
  const inTurn = createTurns();
  const storeOf = (agent: string): AgentStore => openAgentStore(git, folder, agent);

  async function ownerOf(session: string): Promise<string> {
    const agent = await agentOf(db, session);
    if (agent !== null) return agent;
    throw new Fault(
      "not_found",
      `There is no session ${session.slice(0, 200)}: see \`lastgood sessions\`.`,
    );
  }

  async function show(session: string): Promise<SavedWorkTree> {
    const agent = await ownerOf(session);
    const [found, holds] = await Promise.all([
      findWorkTree(db, session),
      savesHeld(db, agent, keeping.sessionsMax),
    ]);
    return {
      ...{ session, agent, holds },
      save: found?.save ?? null,
      savedAt: found?.savedAt.toISOString() ?? null,
      report: found === null ? null : { ...found.report, source: "saved" },
    };
  }

  async function save(
    session: string,
    bundle: Buffer,
    signal: AbortSignal,
  ): Promise<SavedWorkTree> {
    const agent = await ownerOf(session);
    await inTurn(storeName(agent), async () => {
      await db.begin(async (tx) => await requireMaySave(tx, session, world.now()));
      await storeOf(agent).accept(session, bundle, signal, async (accepted) => {
        const report = sentReport(accepted.report);
        // The session cannot end between the ref and the row.
        await db.begin(async (tx) => {
          await requireMaySave(tx, session, world.now());
          await accepted.keep();
          const savedAt = world.now();
          await putWorkTree(tx, { session, agent, save: accepted.save.id, savedAt, report });
        });
      });
    });
    return await show(session);
  }

  async function forget(signal: AbortSignal): Promise<void> {
    await forgetWorkTrees(db, world.now(), keeping);
    const kept = await sessionsKept(db);
    const agents = new Map([...kept.keys()].map((agent) => [storeName(agent), agent]));
    for (const name of await readdir(folder)) {
      const base = /^(.+?)(?:-sha256)?\.git$/.exec(name)?.[1];
      if (base === undefined) continue;
      // What is said to be kept is asked for anew, when nothing is being added.
      await inTurn(base, async () => {
        const sessions = (await sessionsKept(db)).get(agents.get(base) ?? "") ?? [];
        await keepOnly(git, join(folder, name), sessions, signal);
      });
    }
  }

  const loop: Loop = startLoop({ name: "work-trees", everyMs: forgetEveryMs, log, run: forget });
  const trees: WorkTrees = {
    host: ownHost(),
    read: (place, signal) => readWorkTree(place.path, { home, signal, fetchMsMax }),
    saved: async (session) => {
      const found = await findWorkTree(db, session);
      return found === null ? null : { ...found.report, source: "saved" };
    },
    ...{ show, save, forget },
    async bundle(session, signal) {
      const agent = await ownerOf(session);
      const found = await findWorkTree(db, session);
      if (found === null) {
        throw new Fault(
          "not_found",
          `Nothing was saved of the work tree of ${session}: it is saved by \`lastgood agent run\` while it changes.`,
        );
      }
      return await inTurn(storeName(agent), () =>
        storeOf(agent).bundleOf(found.save, found.report, signal),
      );
    },
    routes: (app) => workTreesRoutes(app, trees),
    stop: () => loop.stop(),
  };
  return trees;
}

/** What was being taken in when the server was killed. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.endsWith(".new")) await rm(path, { recursive: true, force: true });
    if (!name.endsWith(".git")) continue;
    for (const file of await readdir(path)) {
      if (file.startsWith("incoming-"))
        await rm(join(path, file), { recursive: true, force: true });
    }
  }
}
