/**
 * What `agent run` must not forget when it is killed, under `agent-runs/<agent>` of the home on its machine:
 *
 *     run-<pid>.json         a wrapper, its session, and the program that it started
 *     ended-<session>.json   an end that the server was not told yet
 *     brief-<pid>.md         the brief, for the program to read
 *
 *   R1. A program is written down as soon as it has started, and taken off once all of it has ended: whoever
 *       runs the agent here next finds what a killed wrapper left alive.
 *   R2. An end is written down before it is told, and taken off once the server has it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SessionEnd } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { identify, isAlive, type ProcessIdentity } from "../process-group.ts";

export interface RunRecord {
  readonly url: string;
  readonly host: string;
  readonly wrapper: ProcessIdentity;
  readonly session: string;
  /** Null once all of it has ended, and its end was written down. */
  readonly program: ProcessIdentity | null;
  /** Of the token that was made for it. */
  readonly token: string | null;
}

type Run = Pick<RunRecord, "session" | "program" | "token">;

export interface UntoldEnd {
  readonly url: string;
  readonly session: string;
  readonly end: SessionEnd;
}

export interface RunRecords {
  readonly briefFile: string;
  started(run: Run): void;
  ended(run: Run): void;
  /**
   * Other runs of the agent that nobody looks after. `here`: what they started may live on in this machine;
   * else it ran on another one, or before this one was started.
   */
  abandoned(): readonly (RunRecord & { readonly here: boolean })[];
  forget(run: RunRecord): void;
  untold(end: Omit<UntoldEnd, "url">): void;
  told(session: string): void;
  allUntold(): readonly UntoldEnd[];
  writeBrief(text: string): void;
  close(): void;
}

const untoldMax = 100;

/** `url`: the server's; what was kept for another one is left alone. */
export function openRunRecords(home: string, agent: string, url: string): RunRecords {
  const folder = join(home, "agent-runs", agent);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fileOf = (pid: number) => join(folder, `run-${pid}.json`);
  const endFile = (session: string) => join(folder, `ended-${encodeURIComponent(session)}.json`);
  const briefOf = (pid: number) => join(folder, `brief-${pid}.md`);
  const briefFile = briefOf(process.pid);
  const wrapper = identify(process.pid) ?? { pid: process.pid, startedAt: "" };
  const host = ownHost();

  function all<T>(names: RegExp): readonly T[] {
    const files = readdirSync(folder).filter((name) => names.test(name));
    return files.flatMap((name) => readJson<T>(join(folder, name)));
  }

  const keep = (run: Run) => write(fileOf(wrapper.pid), { url, host, wrapper, ...run });
  const forget = (pid: number) => {
    rmSync(fileOf(pid), { force: true });
    rmSync(briefOf(pid), { force: true });
    // One that was killed while it wrote left what it had not put in place.
    const torn = readdirSync(folder).filter((name) => name.endsWith(partialOf(pid)));
    for (const name of torn) rmSync(join(folder, name), { force: true });
  };

  return {
    briefFile,
    started: keep,
    ended(run) {
      keep({ ...run, program: null });
      rmSync(briefFile, { force: true });
    },
    abandoned: () =>
      all<RunRecord>(/^run-\d+\.json$/)
        .map((run) => ({ ...run, here: run.host === host }))
        .filter((run) => !(run.here && isThere(run.wrapper))),
    forget: (run) => forget(run.wrapper.pid),
    untold: (end) => write(endFile(end.session), { url, ...end }),
    told: (session) => rmSync(endFile(session), { force: true }),
    allUntold: () =>
      all<UntoldEnd>(/^ended-.+\.json$/)
        .filter((each) => each.url === url)
        .slice(0, untoldMax),
    writeBrief: (text) => writeFileSync(briefFile, text, { mode: 0o600 }),
    close: () => forget(wrapper.pid),
  };
}

/** The first process of a container lives as long as the container. */
function isThere(wrapper: ProcessIdentity): boolean {
  return wrapper.pid === 1 || isAlive(wrapper);
}

const partialOf = (pid: number) => `.${pid}.partial`;

/** Whole or not at all. */
function write(file: string, value: object): void {
  const aside = `${file}${partialOf(process.pid)}`;
  writeFileSync(aside, JSON.stringify(value), { mode: 0o600 });
  renameSync(aside, file);
}

/** One that is torn or gone is none: only we write them, whole. */
function readJson<T>(file: string): readonly T[] {
  try {
    return [JSON.parse(readFileSync(file, "utf8")) as T];
  } catch {
    return [];
  }
}
