/**
 * What hooks of one conversation must know of each other, though each is a process of its own: under
 * `hook-sessions` of the home.
 *
 *     <claude session>.json            the session that it works in
 *     <claude session>.calls/<id>.json a tool call whose intent was written down, until its outcome was told
 *     <claude session>.lock            somebody opens a session for it
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { JsonValue } from "@lastgood/sdk";
import { isAlive, type ProcessIdentity } from "../process-group.ts";

export interface HookState {
  readonly project: string;
  /** Null where the token says whose it is. */
  readonly agent: string | null;
  /** Whether nobody named the agent, so that its name comes from the project's. */
  readonly isDerived: boolean;
  readonly session: string | null;
  /** It was opened by somebody else, who will end it: `lastgood agent run`. */
  readonly isJoined: boolean;
  readonly claude: ProcessIdentity | null;
  /** Milliseconds since 1970. */
  readonly heardAt: number;
  readonly savedAt: number;
  /** The server did not answer: it is not asked again before. */
  readonly awayUntil: number;
}

export type CallOutcome =
  | { readonly went: "confirm"; readonly result: JsonValue }
  | { readonly went: "fail" | "doubt"; readonly error: string };

export interface PendingCall {
  readonly use: string;
  readonly effect: string;
  readonly session: string;
  /** Null until it is known. */
  readonly outcome: CallOutcome | null;
}

export interface HookStates {
  read(): HookState | null;
  write(state: HookState): void;
  forget(): void;
  /** Of other conversations on this machine. */
  others(): readonly HookState[];
  pending(): readonly PendingCall[];
  keepCall(call: PendingCall): void;
  forgetCall(use: string): void;
  /** Alone among the hooks of this conversation; waits at most a few seconds for another. */
  alone<T>(act: () => Promise<T>): Promise<T>;
}

const staleMs = 30 * 86_400_000;
const lockMsMax = 5_000;
const statesMax = 1_000;

export function openHookStates(home: string, claudeSession: string): HookStates {
  const folder = join(home, "hook-sessions");
  const name = encodeURIComponent(claudeSession).replaceAll(".", "%2E").slice(0, 150);
  const file = join(folder, `${name}.json`);
  const calls = join(folder, `${name}.calls`);
  const lock = join(folder, `${name}.lock`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const callFile = (use: string) => join(calls, `${encodeURIComponent(use).slice(0, 150)}.json`);

  return {
    read: () => readJson<HookState>(file),
    write: (state) => write(file, state),
    forget() {
      rmSync(file, { force: true });
      rmSync(calls, { force: true, recursive: true });
    },
    others() {
      const names = readdirSync(folder).filter((each) => each.endsWith(".json"));
      return names.slice(0, statesMax).flatMap((each) => {
        const path = join(folder, each);
        const state = path === file ? null : readJson<HookState>(path);
        if (state !== null && isStale(path, state)) rmSync(path, { force: true });
        return state === null ? [] : [state];
      });
    },
    pending() {
      return filesIn(calls).flatMap((each) => readJson<PendingCall>(join(calls, each)) ?? []);
    },
    keepCall(call) {
      mkdirSync(calls, { recursive: true, mode: 0o700 });
      write(callFile(call.use), call);
    },
    forgetCall: (use) => rmSync(callFile(use), { force: true }),
    async alone(act) {
      await takeLock(lock);
      try {
        return await act();
      } finally {
        rmSync(lock, { force: true });
      }
    },
  };
}

function isStale(path: string, { claude }: HookState): boolean {
  const lives = claude !== null && isAlive(claude);
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  return !lives && age > staleMs;
}

/** One that is older than anybody may hold it was left by a hook that was killed. */
async function takeLock(lock: string): Promise<void> {
  for (;;) {
    try {
      closeSync(openSync(lock, "wx", 0o600));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > lockMsMax) rmSync(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((each) => each.endsWith(".json"));
  } catch {
    return [];
  }
}

/** Whole or not at all. */
function write(file: string, value: object): void {
  const aside = `${file}.${process.pid}.partial`;
  writeFileSync(aside, JSON.stringify(value), { mode: 0o600 });
  renameSync(aside, file);
}

/** One that is torn or gone is none: only we write them, whole. */
function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return null;
  }
}
