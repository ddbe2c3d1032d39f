/**
 * The incidents room over a real database and pager, with neighbours that a test plays by hand: signals
 * it says, a repository it lays out, sandboxes whose truth it knows, recoveries it moves.
 */
import type { Incident, IncidentState } from "@lastgood/sdk";
import { pino } from "pino";
import { type Config, configSchema } from "../../src/config/config.ts";
import { Fault } from "../../src/fault.ts";
import type { Commit, Mirror } from "../../src/git/mirror.ts";
import type { ChangeId, IncidentId, RecoveryId, RepositoryName } from "../../src/ids.ts";
import { createIncidents, type Incidents } from "../../src/incidents/incidents.ts";
import type {
  Contrast,
  Playbooks,
  SignalSource,
  WriteUps,
} from "../../src/incidents/neighbours.ts";
import type { TakeoverDeps } from "../../src/incidents/takeover.ts";
import { emptyPlan, type Step, type Undo } from "../../src/layers/layer.ts";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { createPager } from "../../src/notify/notifier.ts";
import type { Recoveries, Recovery, RecoveryEvent } from "../../src/recovery/recovery.ts";
import type { CheckRun, Sandboxes } from "../../src/sandbox/sandbox.ts";
import type { Verdict } from "../../src/signals/verdict.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, newId, realWorld, type World } from "../../src/world.ts";
import { until } from "../support/until.ts";

export const twoServices = {
  mode: "auto",
  repositories: { api: { url: "./api.git" }, site: { url: "./site.git" }, billing: { url: "./b" } },
  services: {
    "content-api": {
      repository: "api",
      sandbox: { check: ["./check"] },
      probes: { health: { path: "/health" } },
    },
    website: { repository: "site", dependsOn: ["content-api"] },
    billing: { repository: "billing" },
  },
};

export interface Pushed {
  readonly change: ChangeId;
  readonly commit: string;
}

type Outcome = CheckRun["outcome"];

export interface RoomOptions {
  readonly config?: unknown;
  readonly world?: World;
  readonly holder?: string;
  readonly quietMs?: number;
  /** What the check of a revision really says; by default good. */
  readonly check?: (revision: string, run: number) => Outcome | Promise<Outcome>;
  readonly evidence?: (service: string, exposedAt: Date) => number;
  readonly conflicts?: readonly string[];
  readonly unplannable?: Fault;
  /** Why no recovery may begin. */
  readonly refused?: Fault;
  readonly writeUps?: Partial<WriteUps>;
  readonly playbooks?: Playbooks;
}

/** The repositories and the world outlive a room: a second one over the same finds what the first left. */
export class Outside {
  readonly commits = new Map<string, Commit[]>();
  readonly recoveries = new Map<RecoveryId, Recovery>();
  readonly runs: { revision: string; outcome: Outcome }[] = [];
  readonly states = new Map<string, ReturnType<SignalSource["stateOf"]>>();
  /** Incidents whose recoveries hold nothing any more. */
  readonly letGo = new Set<string>();
  readonly ran: { id: RecoveryId; actor: string }[] = [];
  /** What every plan would do. */
  steps: readonly Step[] = [];
  /** What happens just before recoveries are called off. */
  callsOff = () => {};
  /** How often a recovery was looked up. */
  asked = 0;
  opened = 0;
  openNow = 0;
  openMost = 0;
}

export async function startRoom(db: Db, options: RoomOptions = {}, outside = new Outside()) {
  const config: Config = configSchema.parse(options.config ?? twoServices);
  const world = options.world ?? realWorld;
  const configuration = { base: "/", current: () => config };
  const listeners = new Set<(verdict: Verdict) => void>();
  const log = pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" });
  const deps = {
    db,
    world,
    log,
    configuration,
    notifier: createPager(configuration, world),
    signals: signalsOf(listeners, outside, options),
    mirrors: { of: async (name: string) => mirrorOf(name, outside) },
    sandboxes: sandboxesOf(config, outside, options),
    recoveries: recoveriesOf(world, outside, options),
    writeUps: {
      beginCheck: () => {},
      draft: async () => {},
      finish: async () => {},
      wanting: async () => null,
      wantingByHand: async () => null,
      ...options.writeUps,
    },
    ...(options.playbooks === undefined ? {} : { playbooks: options.playbooks }),
    replay: null,
    quietMs: options.quietMs ?? 600_000,
    turnMs: 100,
    pace: { observeEveryMs: 20, settleMs: 100, lateLedgerMs: 100 },
    holder: options.holder ?? "test",
  } satisfies Parameters<typeof createIncidents>[0];
  const incidents: Incidents = createIncidents(deps);

  return {
    deps: deps satisfies TakeoverDeps,
    incidents,
    outside,
    /** Says a verdict, as the signals room would. */
    say(given: Partial<Verdict> = {}): void {
      const verdict = regression(given);
      if (verdict.kind === "regression") stateKey(outside, verdict, "bad");
      for (const listener of listeners) listener(verdict);
    },
    /** Commits on a repository's branch, and lets them go live in a service together. */
    push: (repository: string, agents: readonly string[], live: Live = {}) =>
      push(db, outside, repository, agents, live),
    async eventually<T>(
      what: string,
      look: () => Promise<T | null | undefined | false>,
    ): Promise<T> {
      return await until(what, look);
    },
    async open(): Promise<readonly Incident[]> {
      const rows = await db<{ id: IncidentId }[]>`
        select id from incidents where state <> 'closed' order by opened_at, id`;
      return await Promise.all(rows.map((row) => incidents.show(row.id)));
    },
    async reaches(id: string, ...states: readonly IncidentState[]): Promise<Incident> {
      return await until(`${id} to be ${states.join(" or ")}`, async () => {
        const incident = await incidents.show(id as IncidentId);
        return states.includes(incident.state) ? incident : null;
      });
    },
    async only(...states: readonly IncidentState[]): Promise<Incident> {
      let seen: readonly unknown[] = [];
      const look = async () => {
        const rows = await db<{ id: IncidentId; state: IncidentState; phase: unknown }[]>`
          select id, state, phase from incidents order by opened_at`;
        seen = rows;
        const [first] = rows.filter((row) => states.includes(row.state));
        return first === undefined ? null : await incidents.show(first.id);
      };
      try {
        return await until(`one incident in ${states.join(" or ")}`, look);
      } catch (error) {
        throw new Error(`${String(error)}; there are ${JSON.stringify(seen)}`);
      }
    },
    /** Tells the room how far the recovery is, as the recovery room would. */
    async tell(recovery: string, kind: RecoveryEvent["kind"]): Promise<void> {
      const found = outside.recoveries.get(recovery as RecoveryId);
      await incidents.recoveryMoved({
        recovery: recovery as RecoveryId,
        incident: found?.incident ?? null,
        kind,
        at: world.now(),
        says: kind,
      });
    },
    async pages(): Promise<readonly { incident: string; summary: string; resolved: boolean }[]> {
      return await db<{ incident: string; summary: string; resolved: boolean }[]>`
        select incident, summary, resolved_at is not null as resolved from pages order by incident`;
    },
    stop: () => incidents.stop(),
    async [Symbol.asyncDispose]() {
      await incidents.stop();
    },
  };
}

export type Room = Awaited<ReturnType<typeof startRoom>>;

export function regression(given: Partial<Verdict> = {}): Verdict {
  const service = given.service ?? "content-api";
  const now = new Date();
  return {
    rule: `${service}.latency`,
    service,
    signal: "latency",
    kind: "regression",
    customerFacing: true,
    severity: "high",
    at: now,
    onset: given.onset ?? now,
    evidence: 5_000,
    floor: 0.97,
    level: 0.1,
    samples: 120,
    failingKeys: 40,
    hard: false,
    dimension: null,
    says: `${service}: latency is good 10 % of the time, where 97 % is its floor`,
    ...given,
  };
}

function stateKey(outside: Outside, { rule }: Verdict, state: "bad"): void {
  outside.states.set(rule, state);
}

function signalsOf(
  listeners: Set<(verdict: Verdict) => void>,
  outside: Outside,
  { evidence = () => 5_000 }: RoomOptions,
): SignalSource {
  return {
    onVerdict(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stateOf: (rule) => outside.states.get(rule) ?? "well",
    async contrast(service, _, exposedAt): Promise<Contrast> {
      return {
        evidence: evidence(service, exposedAt),
        before: { mean: 0.99, n: 500 },
        after: { mean: 0.1, n: 60 },
      };
    },
    reporters: async () => 0,
  };
}

export interface Live {
  /** The services that it goes live in; none: it is only pushed. */
  readonly in?: readonly string[];
  readonly at?: Date;
}

async function push(
  db: Db,
  outside: Outside,
  repository: string,
  agents: readonly string[],
  { in: services = ["content-api"], at = new Date(Date.now() - 5_000) }: Live,
): Promise<readonly Pushed[]> {
  const history = outside.commits.get(repository) ?? [];
  outside.commits.set(repository, history);
  const pushed: Pushed[] = [];
  for (const agent of agents) {
    const parent = history.at(-1)?.id ?? "0".repeat(40);
    const commit = (history.length + 1).toString(16).padStart(40, "abcdef");
    history.push({
      id: commit,
      parents: [parent],
      authorEmail: `${agent}@agents.example`,
      authorName: agent,
      committedAt: at,
      subject: `work ${history.length + 1}`,
      trailers: {},
      paths: ["api.ts"],
      patchId: null,
    });
    const change = newChangeId(realWorld);
    await recordChanges(db, [
      {
        id: change,
        at: new Date(at.getTime() - 1_000 + history.length),
        layer: "code",
        kind: "commit",
        target: repository,
        agent,
        from: parent,
        to: commit,
        reason: `work ${history.length}`,
      },
    ]);
    pushed.push({ change, commit });
  }
  for (const service of services) {
    const deploy = newChangeId(realWorld);
    await recordChanges(db, [
      { id: deploy, at, layer: "runtime", kind: "deploy", target: service, agent: "lastgood" },
    ]);
    await exposeChanges(db, [...pushed.map((each) => each.change), deploy], service, at, deploy);
  }
  return pushed;
}

function mirrorOf(name: string, outside: Outside): Mirror {
  const history = outside.commits.get(name) ?? [];
  const never = () => {
    throw new Error("triage does not need this of a mirror");
  };
  return {
    repository: name as RepositoryName,
    branch: "main",
    fetch: never,
    tip: async () => history.at(-1)?.id ?? null,
    async commitsBetween(from) {
      return history.slice(history.findIndex((commit) => commit.id === from) + 1);
    },
    commit: never,
    isAncestor: never,
    checkout: never,
    readFile: never,
  };
}

function sandboxesOf(
  config: Config,
  outside: Outside,
  { check = () => "good" }: RoomOptions,
): Sandboxes {
  return {
    declared: (service) => config.services[service]?.sandbox !== undefined,
    warm: () => {},
    async open(service, revision) {
      outside.opened += 1;
      outside.openNow += 1;
      outside.openMost = Math.max(outside.openMost, outside.openNow);
      return {
        service,
        revision,
        async check(signal): Promise<CheckRun> {
          const startedAt = new Date();
          const outcome = await check(revision, outside.runs.length);
          if (!signal.aborted) outside.runs.push({ revision, outcome });
          return { service, revision, outcome, exitCode: 0, startedAt, tookMs: 1, output: "" };
        },
        async [Symbol.asyncDispose]() {
          outside.openNow -= 1;
        },
      };
    },
  };
}

function recoveriesOf(
  world: World,
  outside: Outside,
  { conflicts = [], unplannable, refused }: RoomOptions,
): Recoveries {
  const set = (id: RecoveryId, change: Partial<Recovery>) => {
    const found = outside.recoveries.get(id);
    if (found === undefined) throw new Fault("not_found", `no recovery ${id}`);
    outside.recoveries.set(id, { ...found, ...change });
  };
  return {
    async plan(undo: Undo, plannedBy, { automatic = false } = {}) {
      if (unplannable !== undefined) throw unplannable;
      const id = newId<RecoveryId>(world, "rec");
      const recovery: Recovery = {
        id,
        incident: undo.incident,
        undo,
        plan: {
          ...emptyPlan,
          steps: outside.steps,
          conflicts,
          blastRadius: 1,
          undoWith: `lastgood recover undo ${id}`,
        },
        digest: "d".repeat(64),
        state: "planned",
        because: "",
        plannedBy,
        runBy: null,
        approvals: [],
        automatic,
        replaces: null,
        undoes: null,
        steps: [],
        plannedAt: world.now(),
        startedAt: null,
        endedAt: null,
      };
      outside.recoveries.set(id, recovery);
      return recovery;
    },
    async run(id, _, actor) {
      if (refused !== undefined) throw refused;
      outside.ran.push({ id, actor });
      set(id, { state: "running" });
    },
    async awaitApproval(id) {
      set(id, { state: "awaiting-approval" });
    },
    async find(id) {
      outside.asked += 1;
      return outside.recoveries.get(id) ?? null;
    },
    async callOff(_, incident, { because, automaticOnly = false, waitingOnly = false }) {
      const own = [...outside.recoveries.values()].filter((each) => each.incident === incident);
      outside.callsOff();
      if (waitingOnly && own.some(({ id }) => outside.recoveries.get(id)?.state === "running")) {
        throw new Fault("state_forbids", "one has begun");
      }
      for (const { id, state, automatic } of own) {
        const over = state === "verified" || state === "failed" || state === "superseded";
        if (over || (automaticOnly && !automatic)) continue;
        set(id, { state: "refused", because });
      }
    },
    async letGo(_, incident) {
      outside.letGo.add(incident);
    },
  };
}
