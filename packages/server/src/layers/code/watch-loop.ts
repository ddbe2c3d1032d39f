/**
 * Watches the branch of every repository: what it gained goes into the ledger, and whoever subscribed is
 * told of the tip.
 *
 *   W1. A repository is looked at every `poll`, and at once when it is told to. Looks never overlap.
 *   W2. Subscribers are told after the ledger knows, and of every tip at least once in the life of this
 *       process: the first look tells the tip even when nothing is new.
 *   W3. A barred commit is reported before the position moves past it: at least once, also across kills.
 *   W4. A remote that is away leaves its loop running; what is wrong is in its status.
 */
import type { Logger } from "pino";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";
import { oneAtATime } from "../../git/one-at-a-time.ts";
import type { CodeMirrors } from "../../git/open-mirrors.ts";
import type { IncidentId, RepositoryName } from "../../ids.ts";
import { findChanges } from "../../ledger/ledger-store.ts";
import { type Loop, startLoop } from "../../loop.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { BarredCommit } from "./bar.ts";
import { barredAmong } from "./bars-store.ts";
import { type Gain, gainOf, recordGain, type SeenCommit, settleGain } from "./record-commits.ts";
import type { Repositories, Repository } from "./repositories.ts";
import { readPosition, recordedAmong } from "./repositories-store.ts";

export interface TipNews {
  /** The tip that was told last, in this process. */
  readonly previous: string | null;
  /** Recorded with this tip, oldest first; empty where the tip was recorded before. */
  readonly commits: readonly SeenCommit[];
  /** Those of them that bring back what was rolled back. */
  readonly barred: readonly BarredCommit[];
  /** They were there before Lastgood first looked. */
  readonly history: boolean;
  /** The branch lost commits that it had. */
  readonly rewritten: boolean;
}

/** Somebody brought back what was rolled back. */
export interface BarredPush {
  readonly repository: RepositoryName;
  readonly commit: string;
  readonly agent: string;
  readonly incident: IncidentId | null;
  readonly because: string;
}

/** Called again with the same push after a failure or a kill. */
export type BarredReporter = (push: BarredPush) => Promise<void>;

/** Must return at once and never throw. */
export type TipListener = (repository: RepositoryName, tip: string, news: TipNews) => void;

export interface WatchStatus {
  readonly state: "starting" | "watching" | "empty" | "failing";
  readonly tip: string | null;
  readonly lookedAt: Date | null;
  readonly problem: {
    readonly code: string;
    readonly detail: string;
    readonly since: Date;
  } | null;
}

export interface Watch {
  /** Returns what ends the subscription. */
  subscribe(listener: TipListener): () => void;
  /** Returns what ends the reports. */
  onBarred(report: BarredReporter): () => void;
  /** Starts the loops: when everyone who wants to be told has said so. */
  start(): void;
  /** Looks now, and resolves when the ledger knows what there was. Faults as the remote gives them. */
  look(repository: string, signal: AbortSignal): Promise<WatchStatus>;
  /** The same without waiting. */
  wake(repository: string): void;
  statusOf(repository: string): WatchStatus;
  /** Starts and ends loops so that they fit the repositories that there are. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

export interface WatchDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly mirrors: CodeMirrors;
  readonly repositories: Repositories;
}

interface Watched {
  readonly loop: Loop;
  readonly pollMs: number;
}

const nothingNew = { commits: [], barred: [] };
const starting: WatchStatus = { state: "starting", tip: null, lookedAt: null, problem: null };
const lookMsMax = 600_000;
const refreshMs = 5_000;
const turnsBetweenMaintenance = 1_000;
const plansKeptMs = 90 * 86_400_000;
const pollMsMin = 100;

export function createWatch(deps: WatchDeps): Watch {
  const { world, log, repositories } = deps;
  const listeners = new Set<TipListener>();
  const reporters = new Set<BarredReporter>();
  const statuses = new Map<string, WatchStatus>();
  const told = new Map<string, string>();
  const looks = new Map<string, (signal: AbortSignal) => Promise<WatchStatus>>();
  const watched = new Map<string, Watched>();

  const statusOf = (name: string) => statuses.get(name) ?? starting;

  async function lookAt(name: string, signal: AbortSignal): Promise<WatchStatus> {
    try {
      const status = await lookOnce(name, signal);
      statuses.set(name, status);
      return status;
    } catch (error) {
      statuses.set(name, failing(statusOf(name), error, world.now()));
      throw error;
    }
  }

  async function lookOnce(name: string, signal: AbortSignal): Promise<WatchStatus> {
    const mirror = await deps.mirrors.of(name);
    const tip = await mirror.fetch(signal);
    const gain = await gainOf(mirror, await readPosition(deps.db, name), tip);
    const moved = gain.before?.tip !== tip || gain.before.branch !== mirror.branch;
    const { commits, barred } = moved ? await takeIn(mirror, gain, signal) : nothingNew;
    if (tip !== null && told.get(name) !== tip) {
      const previous = told.get(name) ?? null;
      told.set(name, tip);
      const { history } = gain;
      const news = { previous, commits, barred, history, rewritten: gain.dropped !== null };
      for (const listener of listeners) listener(mirror.repository, tip, news);
    }
    const state = tip === null ? "empty" : "watching";
    return { state, tip, lookedAt: world.now(), problem: null };
  }

  async function takeIn(mirror: CodeMirror, gain: Gain, signal: AbortSignal) {
    const recording = { db: deps.db, world, agents: deps.configuration.current().agents };
    const commits = await recordGain(recording, mirror, gain, signal);
    const candidates = gain.history ? [] : gain.ids.map((id) => ({ id, patchId: null }));
    const barred = await barredAmong(deps.db, mirror.repository, candidates);
    for (const each of barred) await report(mirror.repository, each);
    await settleGain(recording, mirror, gain);
    return { commits: gain.history ? [] : commits, barred };
  }

  async function report(repository: RepositoryName, { commit, bar }: BarredCommit): Promise<void> {
    const change = (await recordedAmong(deps.db, repository, [commit])).get(commit)?.change;
    const ids = change === undefined ? [] : [change];
    const [found] = await findChanges(deps.db, { ids, limit: 1 });
    const { incident, because } = bar;
    const push = { repository, commit, agent: found?.agent ?? "unknown", incident, because };
    for (const reporter of reporters) await reporter(push);
  }

  function lookOf(name: string) {
    const known = looks.get(name);
    if (known !== undefined) return known;
    const look = oneAtATime((signal: AbortSignal) => lookAt(name, signal), lookMsMax);
    looks.set(name, look);
    return look;
  }

  function watch({ name, pollMs }: Repository): Watched {
    let turns = 0;
    const loop = startLoop({
      name: `watch ${name}`,
      everyMs: Math.max(pollMs, pollMsMin),
      log,
      run: async (signal) => {
        await lookOf(name)(signal);
        turns = (turns + 1) % turnsBetweenMaintenance;
        if (turns === 0) await maintain(name, signal);
      },
    });
    return { loop, pollMs };
  }

  async function maintain(name: string, signal: AbortSignal): Promise<void> {
    const mirror = await deps.mirrors.of(name);
    await mirror.maintain(new Date(world.now().getTime() - plansKeptMs), signal);
  }

  async function forget(name: string): Promise<void> {
    const gone = watched.get(name);
    watched.delete(name);
    await gone?.loop.stop();
    statuses.delete(name);
    told.delete(name);
  }

  let keeper: Loop | null = null;
  let stopped = false;
  async function refresh(): Promise<void> {
    const wanted = new Map((await repositories.all()).map((each) => [each.name as string, each]));
    if (stopped || keeper === null) return;
    for (const [name, { pollMs }] of watched) {
      if (wanted.get(name)?.pollMs !== pollMs) await forget(name);
    }
    for (const [name, repository] of wanted) {
      if (!stopped && !watched.has(name)) watched.set(name, watch(repository));
    }
  }
  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onBarred(report) {
      reporters.add(report);
      return () => reporters.delete(report);
    },
    start() {
      keeper ??= startLoop({ name: "watch", everyMs: refreshMs, log, run: refresh });
    },
    look: async (name, signal) => await lookOf(name)(signal),
    wake: (name) => watched.get(name)?.loop.wake(),
    statusOf,
    refresh,
    async stop() {
      stopped = true;
      await keeper?.stop();
      await Promise.all([...watched.values()].map(({ loop }) => loop.stop()));
    },
  };
}

function failing(before: WatchStatus, error: unknown, now: Date): WatchStatus {
  const code = error instanceof Fault ? error.code : "internal";
  const detail = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
  const since = before.problem?.code === code ? before.problem.since : now;
  return { ...before, state: "failing", lookedAt: now, problem: { code, detail, since } };
}
