/**
 * Owns the instances of one service and decides which of them the front speaks to.
 *
 *     order ─> starting ─healthy─> current ─next is healthy─> retiring ─drained─> ended
 *                 └─unhealthy─> ended        └─exited─> restarting (same revision, with backoff)
 *
 *   S1. The front is aimed at an instance only after it answered its health path.
 *   S2. A new one that does not become healthy leaves the old one serving.
 *   S3. One order at a time; the same order again is answered, not carried out again.
 *   S4. Every group that was started is on disk until it has ended, so that a keeper started after a
 *       crash ends what the crashed one left.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { endGroup, type ProcessIdentity } from "../../process-group.ts";
import { Front } from "./keeper-front.ts";
import { type Instance, startInstance, untilHealthy } from "./keeper-instance.ts";
import type { KeeperLog } from "./keeper-log.ts";
import {
  type InstanceExit,
  instancesFile,
  type KeeperStatus,
  type ServeOrder,
  type ServeResult,
} from "./keeper-protocol.ts";

interface Current {
  readonly order: ServeOrder;
  readonly startedAt: Date;
  readonly since: Date;
  readonly instance: Instance | null;
  readonly restarts: number;
}

const exitsKept = 20;
const exitOutputMax = 2_048;
const restartMs = { first: 100, max: 10_000, calmAfter: 60_000 } as const;

export class Steward {
  readonly #folder: string;
  readonly #log: KeeperLog;
  readonly #started = new Set<Instance>();
  readonly #stopping = new AbortController();
  #front: Front | null = null;
  #current: Current | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #retiring: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #exits: InstanceExit[] = [];
  #exitCount = 0;
  #trouble: string | null = null;
  #exitListeners: (() => void)[] = [];

  constructor(folder: string, log: KeeperLog) {
    this.#folder = folder;
    this.#log = log;
  }

  /** S4. Ends what an earlier keeper of this folder left behind. */
  async sweep(): Promise<void> {
    const text = await readFile(join(this.#folder, instancesFile), "utf8").catch(() => "[]");
    const left = JSON.parse(text) as readonly ProcessIdentity[];
    await Promise.all(left.map((each) => endGroup(each, 1_000)));
  }

  status(): KeeperStatus {
    const current = this.#current;
    return {
      pid: process.pid,
      host: this.#front?.host ?? null,
      port: this.#front?.port ?? null,
      serving:
        current === null
          ? null
          : {
              revision: current.order.revision,
              directory: current.order.directory,
              settings: current.order.settings,
              startedAt: current.startedAt.toISOString(),
              since: current.since.toISOString(),
              pid: current.instance?.identity?.pid ?? null,
              restarts: current.restarts,
            },
      retiring: [...this.#started]
        .filter((each) => each !== current?.instance)
        .map(({ order, identity }) => ({
          revision: order.revision,
          directory: order.directory,
          pid: identity?.pid ?? -1,
        })),
      exits: this.#exits,
      trouble:
        this.#log.linesLost > 0
          ? `${this.#log.linesLost} lines of its log could not be written`
          : this.#trouble,
    };
  }

  /** S3. Resolves at the switch, or when it was given up. The next order waits for what retires. */
  async serve(order: ServeOrder): Promise<ServeResult> {
    const mine = this.#turn.then(() => this.#serve(order));
    this.#turn = mine.then(() => this.#retiring).catch(() => {});
    return await mine;
  }

  /** Resolves at the first exit after `sequence`, or when `signal` aborts. */
  async exitAfter(sequence: number, signal: AbortSignal): Promise<void> {
    if (this.#exitCount > sequence || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#exitListeners.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#front?.aim(null);
    const current = this.#current;
    this.#current = null;
    if (current?.instance) await current.instance.target.drained(current.order.drainMs);
    await Promise.all([...this.#started].map((each) => this.#end(each)));
    await this.#turn;
    await this.#front?.close();
  }

  async #serve(order: ServeOrder): Promise<ServeResult> {
    const before = this.#current;
    if (before !== null && before.instance !== null && isSame(before.order, order)) {
      const { startedAt, since } = before;
      return servedSince(startedAt, since, true);
    }
    const front = await this.#frontFor(order);
    if (typeof front === "string") return { outcome: "unhealthy", because: front, output: "" };
    const startedAt = new Date();
    const instance = await this.#start(order);
    const because = this.#stopping.signal.aborted ? "stopped" : await untilHealthy(instance);
    if (because !== null || this.#stopping.signal.aborted) {
      await this.#end(instance);
      if (front !== this.#front) await front.close();
      const output = instance.output();
      return { outcome: "unhealthy", because: because ?? "the keeper was stopped", output };
    }
    const since = new Date();
    this.#become({ order, startedAt, since, instance, restarts: 0 }, front);
    await this.#log.write([`serving on ${front.host}:${front.port}`], order.revision.slice(0, 10));
    const replaced = this.#current === null ? null : (before?.instance ?? null);
    if (replaced !== null) this.#retiring = this.#retire(replaced);
    return servedSince(startedAt, since, false);
  }

  /** S1. The switch: one assignment, between two requests. */
  #become(current: Current, front: Front): void {
    const replaced = this.#front === front ? null : this.#front;
    this.#front = front;
    this.#current = current;
    front.aim(current.instance?.target ?? null);
    void replaced?.close();
    const { instance } = current;
    if (instance !== null) void instance.exited.then(() => this.#onExit(instance));
  }

  async #frontFor({ host, port }: ServeOrder): Promise<Front | string> {
    if (this.#front?.host === host && this.#front.port === port) return this.#front;
    try {
      return await Front.listen(host, port);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return `its port ${host}:${port} cannot be opened: ${text}`;
    }
  }

  async #retire(instance: Instance): Promise<void> {
    await instance.target.drained(instance.order.drainMs);
    await this.#end(instance);
  }

  async #start(order: ServeOrder): Promise<Instance> {
    const instance = await startInstance(order, this.#log);
    this.#started.add(instance);
    await this.#record();
    return instance;
  }

  async #end(instance: Instance): Promise<void> {
    await instance.end();
    this.#started.delete(instance);
    await this.#record();
  }

  async #onExit(instance: Instance): Promise<void> {
    const current = this.#current;
    if (current?.instance !== instance) return;
    this.#front?.aim(null);
    this.#current = { ...current, instance: null };
    const { code, signal } = await instance.exited;
    const { order } = instance;
    this.#exitCount += 1;
    const exit: InstanceExit = {
      sequence: this.#exitCount,
      at: new Date().toISOString(),
      revision: order.revision,
      code,
      signal,
      output: instance.output().slice(-exitOutputMax),
    };
    this.#exits = [...this.#exits, exit].slice(-exitsKept);
    for (const listener of this.#exitListeners.splice(0)) listener();
    await this.#log.write([`exited with ${signal ?? `code ${code}`}`], order.revision.slice(0, 10));
    await this.#end(instance);
    const calm = Date.now() - current.since.getTime() > restartMs.calmAfter;
    await this.#restart(calm ? 0 : current.restarts);
  }

  /** Brings the same revision back, for as long as nothing else was ordered. */
  async #restart(failures: number): Promise<void> {
    const { signal } = this.#stopping;
    for (let tries = failures; ; tries++) {
      const delayMs = Math.min(restartMs.max, restartMs.first * 2 ** Math.min(tries, 10));
      await pause(delayMs, undefined, { signal }).catch(() => {});
      const done = this.#turn.then(() => this.#restartOnce());
      this.#turn = done.catch(() => {});
      if (await done) return;
    }
  }

  /** True when there is nothing left to bring back. */
  async #restartOnce(): Promise<boolean> {
    const before = this.#current;
    if (before === null || before.instance !== null || this.#front === null) return true;
    const instance = await this.#start(before.order);
    const because = await untilHealthy(instance);
    const restarts = before.restarts + 1;
    if (because !== null || this.#stopping.signal.aborted) {
      await this.#log.write([`not restarted: ${because}`], before.order.revision.slice(0, 10));
      await this.#end(instance);
      if (this.#current !== null) this.#current = { ...before, restarts };
      return this.#stopping.signal.aborted;
    }
    this.#become({ ...before, instance, restarts }, this.#front);
    return true;
  }

  /** S4. Written one after the other, each whole. A service goes on where its record cannot be kept. */
  async #record(): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#writeInstances())
      .then(
        () => {
          this.#trouble = null;
        },
        (error: unknown) => {
          this.#trouble = `its instances cannot be recorded: ${String(error)}`;
        },
      );
    await this.#writing;
  }

  async #writeInstances(): Promise<void> {
    const groups = [...this.#started].map((each) => each.identity).filter((each) => each !== null);
    const file = join(this.#folder, instancesFile);
    await writeFile(`${file}.new`, JSON.stringify(groups), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}

function isSame(one: ServeOrder, other: ServeOrder): boolean {
  return one.revision === other.revision && one.settings === other.settings;
}

function servedSince(startedAt: Date, since: Date, already: boolean): ServeResult {
  return {
    outcome: "served",
    startedAt: startedAt.toISOString(),
    since: since.toISOString(),
    already,
  };
}
