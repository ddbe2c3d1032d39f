/**
 * Work done under a release, told to the server: begun by its key, gone on with when the pin moves, ended.
 *
 *   W1. What is finished under a key is not done again: its output stands in. Where that could not be kept it is
 *       said so, and the work is finished all the same.
 *   W2. A step asks under which release it goes on. Who is told to stop begins again under the new one.
 *   W3. A server that is away holds up no work: what it missed is told in order when it is back. Where too much waits
 *       already, none is begun.
 *   W4. Who did the work gets what came of it, whatever becomes of telling it; and what is told is what came of it.
 */
import type { Execution, ExecutionEnd } from "./api/executions.ts";
import type { JsonValue } from "./api/state.ts";
import type { Backlog } from "./backlog.ts";
import { Fault, faults } from "./fault.ts";
import type { Resolved } from "./held-pins.ts";
import type { Client } from "./operations.ts";
import { errorText, isOfContent, tellEnd, type WorkEnd } from "./work-end.ts";

export interface WorkOptions {
  /** Names the work, such as the ticket's id. */
  readonly key: string;
  /** What the release is chosen by, where the pin is split. Default: the key. */
  readonly target?: string | undefined;
  readonly session?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  /** What it takes to do it again, and to make a check of it. At most 64 kB of JSON. */
  readonly input?: JsonValue | undefined;
  readonly expireMs?: number | undefined;
}

export interface Work {
  /** The release that it runs under now. */
  readonly release: Resolved;
  readonly execution: string;
  /** Before the next step: the release to go on under. Throws `WorkCancelled`, which is not to be caught. */
  step(): Promise<Resolved>;
}

/** The pin moved, and the work begins again under the new one: let it pass through. */
export class WorkCancelled extends Error {
  override readonly name = "WorkCancelled";
}

export interface WorkDeps {
  readonly client: Client;
  readonly environment: string;
  readonly backlog: Backlog;
  resolve(artifact: string, key: string): Resolved;
  /** Hears of what could not be kept. */
  onTrouble(fault: Fault): void;
}

const triesMax = 20;

export async function doWork<T extends JsonValue>(
  deps: WorkDeps,
  artifact: string,
  options: WorkOptions,
  act: (work: Work) => Promise<T> | T,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    await deps.backlog.makeRoom(`the work ${options.key}`);
    const work = await beginWork(deps, artifact, options);
    if (work.done !== null) return (await madeBefore(deps.client, work.done.id)) as T;
    let output: T;
    try {
      output = await act(work);
    } catch (error) {
      if (error instanceof WorkCancelled && tries < triesMax) continue;
      await work.end({ state: "failed", error: errorText(error) });
      throw error;
    }
    await work.end({ state: "finished", output });
    return output;
  }
}

/** Faults `state_forbids` where it was too large, or not of a kind, to be kept. */
async function madeBefore(client: Client, id: string): Promise<JsonValue> {
  const { artifact, key, output, error } = await client.execution(id);
  if (output !== null || error === null) return output;
  throw new Fault(
    "state_forbids",
    `The work ${key.slice(0, 100)} of ${artifact} is finished, as ${id}, and is not done again, but ${error}`,
    { context: { execution: id } },
  );
}

interface BegunWork extends Work {
  /** The execution that finished this very work before. */
  readonly done: Execution | null;
  /** W4: faults nothing. */
  end(end: WorkEnd): Promise<void>;
}

async function beginWork(
  { client, environment, backlog, resolve, onTrouble }: WorkDeps,
  artifact: string,
  { key, target = key, ...rest }: WorkOptions,
): Promise<BegunWork> {
  let id = `exe_${crypto.randomUUID().replaceAll("-", "")}`;
  let release = resolve(artifact, target);
  const { version, epoch } = release;
  const wanted = { ...rest, artifact, key, target, environment, id, door: "sdk" } as const;
  const begunAt = Date.now();
  const begun = await unlessAway(() => client.beginExecution(wanted));
  const clock = serversClock();
  let isTold = begun !== null;
  if (begun !== null) await goOnUnder(begun.execution);

  /** Our pins may be behind the server's, or ahead of what was begun. */
  async function goOnUnder(execution: Execution): Promise<void> {
    id = execution.id;
    if (execution.version === release.version) return;
    release = resolve(artifact, target);
    if (execution.version === release.version) return;
    const { digest, reference, content } = await client.release(artifact, execution.version);
    const found = { version: execution.version, epoch: execution.epoch, digest, reference };
    release = { ...release, ...found, content };
  }

  /** What cannot be kept of a begin that nobody could hear is left out: the work is done. */
  async function beginLate(): Promise<void> {
    const { input, ...bare } = wanted;
    const begin = (each: typeof wanted) =>
      clock.tell(() => {
        // A server that was put back to an earlier time does not know our pin.
        const late = { version, epoch: clock.epoch(epoch), begunAt: clock.at(begunAt) };
        return client.beginExecution({ ...each, late });
      });
    try {
      await begin(wanted);
    } catch (error) {
      if (input === undefined || !isOfContent(error)) throw error;
      onTrouble(error);
      await begin(bare);
    }
  }

  return {
    done: begun?.go === "done" ? begun.execution : null,
    get release() {
      return release;
    },
    get execution() {
      return id;
    },
    async step() {
      const told = isTold ? await unlessAway(() => client.stepExecution(id)) : null;
      if (told === null) return release;
      if (told.go === "cancelled") throw new WorkCancelled(told.execution.error ?? "its pin moved");
      await goOnUnder(told.execution);
      return release;
    },
    async end(end) {
      const endedAt = Date.now();
      const at = () => (Date.now() - endedAt > lateMs ? { at: clock.at(endedAt) } : {});
      const tell = (each: ExecutionEnd) =>
        clock.tell(() => client.endExecution(id, { ...each, ...at() }));
      const tellIt = async () => {
        if (!isTold) await beginLate();
        isTold = true;
        const unkept = await tellEnd(tell, end);
        if (unkept !== null) onTrouble(unkept);
      };
      await backlog
        .keepEnd(`the end of ${key}`, tellIt)
        .catch((error: unknown) => onTrouble(untold(key, error)));
    },
  };
}

function untold(key: string, cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const says = `The end of ${key} could not be told yet: ${String(cause).slice(0, 300)}`;
  return new Fault("internal", says, { cause });
}

/** What is told at once needs no time: the server has its own. */
const lateMs = 1_000;

/**
 * Times and epochs that the server contradicts are refused, and it says how late it is there, and which epoch: told
 * again by that.
 */
function serversClock() {
  let aheadMs = 0;
  let epochMax = Number.POSITIVE_INFINITY;

  /** Whether the server said what it would believe. */
  function learns({ context }: Fault): boolean {
    const now = Date.parse(String(context.now));
    if (!Number.isNaN(now)) aheadMs = Date.now() - now;
    if (typeof context.epoch === "number") epochMax = context.epoch;
    return !Number.isNaN(now) || typeof context.epoch === "number";
  }

  return {
    at: (ms: number) => new Date(ms - aheadMs).toISOString(),
    epoch: (claimed: number) => Math.min(claimed, epochMax),
    async tell<T>(tell: () => Promise<T>): Promise<T> {
      for (let contradictions = 0; ; contradictions++) {
        try {
          return await tell();
        } catch (error) {
          const isOther = !(error instanceof Fault) || error.code !== "bad_input";
          if (isOther || contradictions === 2 || !learns(error)) throw error;
        }
      }
    },
  };
}

/** Null where nobody is there, or where waiting may help. */
async function unlessAway<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    // Somebody else does this very work: that is no reason to do it as well.
    const isAway = error instanceof Fault && faults[error.code].retry === "later";
    if (isAway && error.code !== "target_busy") return null;
    throw error;
  }
}
