/** What the world's agents share: each is a process of its own, told by its environment who it is. */
import { openSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createClient, type Lastgood } from "@lastgood/sdk";
import { type Journal, openJournal } from "../../journal.ts";
import { type Outside, outsideAt } from "../../outside/outside.ts";
import { nameOf, type Point, type Variant } from "../story.ts";

/** What an agent gets from whoever starts it, in LASTGOOD_DRILL_AGENT as JSON. */
export interface AgentBriefing {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly outside: string;
  readonly workTree: string;
  readonly seed: number;
  readonly variant: Variant;
  readonly holds: readonly Hold[];
}

/**
 * A point that the agent must not pass before something has happened to it. It blocks there on a pipe: a kill
 * lands while it does, or a word comes through that it is told.
 */
export interface Hold {
  readonly point: string;
  readonly pipe: string;
}

export interface AgentProcess {
  readonly briefing: AgentBriefing;
  readonly client: Lastgood;
  readonly outside: Outside;
  readonly journal: Journal;
  /** Announces a moment. Answers with what came through the pipe where it was held: usually nothing. */
  announce(point: Point): string;
  /** As `announce`, where it may be held for long: it goes on living, and is only not at work. */
  rest(point: Point): Promise<void>;
}

export function startAgent(): AgentProcess {
  const briefing = JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as AgentBriefing;
  const { name, folder, url, token, holds } = briefing;
  const journal = openJournal(folder, name);
  journal("started", { pid: process.pid });
  const reached = (point: Point) => {
    const said = nameOf(point);
    journal("at", { point: said, pid: process.pid });
    return holds.find((each) => each.point === said);
  };
  return {
    ...{ briefing, journal },
    client: createClient({ url, token }),
    outside: outsideAt(briefing.outside),
    announce(point) {
      const hold = reached(point);
      return hold === undefined ? "" : readPipe(hold.pipe);
    },
    async rest(point) {
      const hold = reached(point);
      if (hold !== undefined) await readFile(hold.pipe).catch(() => {});
    },
  };
}

/** The whole process stands still in here. A pipe that is gone holds nobody: the kill has landed before. */
function readPipe(pipe: string): string {
  try {
    return readFileSync(openSync(pipe, "r"), "utf8");
  } catch {
    return "";
  }
}

/** Calls `seen` after each answer of the server. The SDK needs no seam for it: it calls the global `fetch`. */
export function watchAnswers(seen: (method: string, path: string, status: number) => void): void {
  const plain = globalThis.fetch;
  globalThis.fetch = async (target, options) => {
    const response = await plain(target, options);
    const { pathname } = new URL(target instanceof Request ? target.url : target);
    seen(options?.method ?? "GET", pathname, response.status);
    return response;
  };
}
