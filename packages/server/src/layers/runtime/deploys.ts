/**
 * The one way in which a service's revision moves: for the loop, for a person and for a recovery.
 *
 *   D1. One deploy at a time per service, whoever asks: under the service's lease.
 *   D2. The intent is on record before the world is touched. Killed anywhere, the next reading finds
 *       what was served and records it under the change that had been intended.
 *   D3. A switch is recorded at once, with the commits that it exposed: they could act on the world
 *       from the moment at which the new instance was started.
 *   D4. A move that nobody here intended is recorded too, under the agent `unknown`.
 */
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Mirrors } from "../../git/mirror.ts";
import type { ChangeId } from "../../ids.ts";
import type { Db } from "../../store/database.ts";
import { newChangeId, type World } from "../../world.ts";
import {
  catchUpExposures,
  readRecord,
  recordServed,
  recordServiceEvent,
  writeFailure,
  writeIntent,
  writePin,
} from "./runtime-store.ts";
import type { Intent, Pin, Reading, RuntimeAdapter, ServiceRecord } from "./service.ts";
import { withServiceLease } from "./service-lease.ts";

export interface DeploysDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly mirrors: Mirrors;
  /** `not_found` for a service that is not declared or has no runtime. */
  readonly adapterOf: (service: string) => RuntimeAdapter;
  /** Told at each switch, once it is recorded. Returns at once and never throws. */
  readonly served: (service: string, revision: string) => void;
}

export interface DeployRequest {
  readonly service: string;
  readonly to: string;
  /** What must be served before (`plan_stale` otherwise); absent: whatever is. */
  readonly from?: string | null;
  readonly changeId: ChangeId;
  readonly actor: string;
  readonly reason: string;
  /** Until when deploys on push wait afterwards; `none`: they go on; `leave`: as it was. */
  readonly pin: Pin["until"] | "none" | "leave";
  readonly waitMs: number;
}

export type Deployed =
  | { readonly outcome: "served"; readonly already: boolean; readonly since: Date }
  | { readonly outcome: "failed"; readonly because: string; readonly output: string };

const commitsMax = 1_000;
const lateCommitsMs = 3_600_000;

export function createDeploys(deps: DeploysDeps) {
  const { db, world, configuration, mirrors, adapterOf } = deps;
  /** Reads what runs, and records what moved since the last time (D2, D4). */
  async function observe(
    service: string,
    signal: AbortSignal,
  ): Promise<{ reading: Reading; record: ServiceRecord }> {
    const reading = await adapterOf(service).read(signal);
    const record = await readRecord(db, service);
    if (reading.revision === null) return { reading, record };
    const { intent } = record;
    if (intent?.to === reading.revision) {
      await recordSwitch(record, intent, reading.revision, reading.since ?? world.now());
    } else if (record.served !== reading.revision) {
      const reason = "moved by something else than Lastgood";
      const outside = { changeId: newChangeId(world), to: reading.revision, actor: "unknown" };
      const since = reading.since ?? world.now();
      await recordSwitch(record, { ...outside, reason }, reading.revision, since);
    } else return { reading, record };
    return { reading, record: await readRecord(db, service) };
  }

  /** D3. */
  async function recordSwitch(
    before: ServiceRecord,
    { changeId, actor, reason }: Intent,
    to: string,
    since: Date,
    exposedAt = since,
  ): Promise<void> {
    const { service, served: from } = before;
    const repository = configuration.current().services[service]?.repository ?? null;
    await recordServed(db, {
      service,
      repository,
      change: { id: changeId, actor, reason },
      from,
      to,
      since,
      exposedAt,
      exposed: await commitsBetween(repository, from, to),
      withdrawn: from === null ? [] : await commitsBetween(repository, to, from),
    });
    deps.served(service, to);
  }

  /** Ids, oldest first. A revision that is no commit we know brings none. */
  async function commitsBetween(
    repository: string | null,
    from: string | null,
    to: string,
  ): Promise<readonly string[]> {
    if (repository === null || from === to) return [];
    const mirror = await mirrors.of(repository);
    for (const revision of [from, to]) {
      if (revision !== null && !(await isCommit(repository, revision))) return [];
    }
    const commits = await mirror.commitsBetween(from, to, commitsMax);
    return commits.map((commit) => commit.id);
  }

  async function isCommit(repository: string, revision: string): Promise<boolean> {
    if (!/^[0-9a-f]{7,64}$/.test(revision)) return false;
    try {
      await (await mirrors.of(repository)).commit(revision);
      return true;
    } catch (error) {
      if (error instanceof Fault && error.code === "not_found") return false;
      throw error;
    }
  }

  async function deployHeld(request: DeployRequest, signal: AbortSignal): Promise<Deployed> {
    const { service, to, changeId, actor, reason } = request;
    const adapter = adapterOf(service);
    const { reading, record } = await observe(service, signal);
    const sameSettings = adapter.settings === null || adapter.settings === reading.settings;
    const there = await isReached(request, reading.revision);
    if (there && reading.state === "serving" && sameSettings) {
      await pin(request);
      return { outcome: "served", already: true, since: record.servedSince ?? world.now() };
    }
    const expected = request.from === undefined || [request.from, to].includes(reading.revision);
    if (!expected && !(await isOnTheWay(request, reading.revision))) {
      throw new Fault(
        "plan_stale",
        `${service} serves ${reading.revision ?? "nothing"}, and this was planned on ${request.from ?? "nothing"}: plan again.`,
      );
    }
    const intent = { changeId, to, actor, reason };
    await writeIntent(db, service, intent);
    const set = await adapter.set(to, signal);
    if (set.outcome === "failed") {
      await recordFailure(request, set);
      return set;
    }
    await recordSwitch(record, intent, to, set.since, set.startedAt);
    await pin(request);
    return { outcome: "served", already: false, since: set.since };
  }

  async function pin({ service, to, from, changeId, reason, pin: how }: DeployRequest) {
    // Commands are not called on push: there is nothing to hold.
    if (how === "leave" || adapterOf(service).kind === "command") return;
    if (how === "none") return await writePin(db, service, null);
    const until = how === "recovered" && (await isStepBack(service, from, to)) ? "person" : how;
    await writePin(db, service, { by: changeId, until, because: reason, at: world.now() });
  }

  /**
   * Whether what is served is what was wanted, or has it already: pushed on a revert while it was on its
   * way, and served with it. Where it goes back to what was before, everything later has that.
   */
  async function isReached(
    { service, from, to }: Pick<DeployRequest, "service" | "from" | "to">,
    revision: string | null,
  ): Promise<boolean> {
    if (revision === to) return true;
    if (revision === null || revision === from || from === undefined || from === null) return false;
    const repository = configuration.current().services[service]?.repository;
    if (repository === undefined) return false;
    for (const each of [from, to, revision]) if (!(await isCommit(repository, each))) return false;
    const mirror = await mirrors.of(repository);
    return (await mirror.isAncestor(to, revision)) && !(await mirror.isAncestor(to, from));
  }

  /**
   * Whether what is served lies between what the plan saw and what it wants: a deploy that was under way when it
   * was planned. Going on from there loses nothing.
   */
  async function isOnTheWay(
    { service, from, to }: Pick<DeployRequest, "service" | "from" | "to">,
    revision: string | null,
  ): Promise<boolean> {
    if (revision === null || from === undefined || from === null) return false;
    const repository = configuration.current().services[service]?.repository;
    if (repository === undefined) return false;
    for (const each of [from, to, revision]) if (!(await isCommit(repository, each))) return false;
    const mirror = await mirrors.of(repository);
    return (await mirror.isAncestor(from, revision)) && (await mirror.isAncestor(revision, to));
  }

  /** Back to what the branch had before: its tip still has what is taken back. */
  async function isStepBack(service: string, from: string | null | undefined, to: string) {
    const repository = configuration.current().services[service]?.repository;
    if (repository === undefined || from === undefined || from === null) return false;
    if (!(await isCommit(repository, from)) || !(await isCommit(repository, to))) return false;
    return await (await mirrors.of(repository)).isAncestor(to, from);
  }

  async function recordFailure(
    { service, to, changeId, actor }: DeployRequest,
    { because, output }: { readonly because: string; readonly output: string },
  ): Promise<void> {
    const at = world.now();
    const { attempts } = await writeFailure(db, service, { revision: to, at, because });
    await recordServiceEvent(db, service, {
      at,
      event: "deploy.failed",
      text: `${to.slice(0, 12)} was not deployed: ${because}. What served before still does.`,
      details: { revision: to, actor, attempts, output },
      key: `failed:${changeId}:${attempts}`,
    });
  }

  return {
    observe,
    isReached,

    /**
     * Serves a revision, or says why it does not: then what served before still does. Idempotent.
     * Faults: `target_busy`, `plan_stale`, and whatever the adapter's world is missing.
     */
    async deploy(request: DeployRequest, signal: AbortSignal): Promise<Deployed> {
      const { service, waitMs } = request;
      return await withServiceLease({ db, world }, service, { waitMs, signal }, (held) =>
        deployHeld(request, held),
      );
    },

    /** Starts again what is on record as served: the same deploy, so nothing new in the ledger. */
    async restart(service: string, revision: string, signal: AbortSignal): Promise<Deployed> {
      return await withServiceLease({ db, world }, service, { waitMs: 0, signal }, async (held) => {
        const set = await adapterOf(service).set(revision, held);
        return set.outcome === "failed" ? set : { ...set, already: false };
      });
    },

    /** Commits that reached the ledger after they were served, within the last hour. */
    async catchUp(service: string): Promise<void> {
      const repository = configuration.current().services[service]?.repository;
      if (repository === undefined) return;
      const since = new Date(world.now().getTime() - lateCommitsMs);
      await catchUpExposures(db, { service, repository, since });
    },
  };
}

export type Deploys = ReturnType<typeof createDeploys>;
