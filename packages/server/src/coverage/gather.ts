/**
 * Looks at everything that doctor judges, all at once, each with a deadline of its own: what is away is
 * said to be away, and hides nothing else.
 */
import { statfs } from "node:fs/promises";
import type { Config, Configuration } from "../config/config.ts";
import { containmentsInForce } from "../fleet/fleet-store.ts";
import { findAgents } from "../fleet/session-store.ts";
import { listLooks } from "../gate/live-store.ts";
import { readFreeze } from "../incidents/freeze.ts";
import type { Code } from "../layers/code/code.ts";
import { findEffects } from "../layers/effects/effect-store.ts";
import type { Messages } from "../layers/messages/messages.ts";
import type { Runtime } from "../layers/runtime/create-runtime.ts";
import { findDeliveries, findPages } from "../notify/notify-store.ts";
import { listProbes } from "../rollouts/probe-store.ts";
import { lastDrills } from "../rollouts/rollout-store.ts";
import type { Signals } from "../signals/signals.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import {
  backedUpAt,
  countDeadLetters,
  countServers,
  countTokens,
  drilledAt,
  openPostMortems,
  readStore,
  stuckRecoveries,
} from "./coverage-store.ts";
import type {
  AgentFact,
  Facts,
  LeftOutFact,
  MessagesFact,
  PagesFact,
  PriorFact,
  RepositoryFact,
  Seen,
} from "./facts.ts";

export interface GatherDeps {
  readonly db: Db;
  readonly world: World;
  readonly home: string;
  readonly configuration: Configuration;
  /** Whether the database is the one that Lastgood starts itself. */
  readonly embedded: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly code: Pick<Code, "repositories" | "watch" | "mirrors">;
  readonly runtime: Pick<Runtime, "services" | "drift">;
  readonly signals: Pick<Signals, "status" | "judgements">;
  readonly messages: Pick<Messages, "engine" | "consumers">;
}

const lookMsMax = 8_000;
const agentsMax = 10_000;
const effectsMax = 1_000;

export async function gatherFacts(deps: GatherDeps): Promise<Facts> {
  const { db, world, home, configuration, environment } = deps;
  const config = configuration.current();
  const [repositories, services, rules, messages, agents, pages, recoveries] = await Promise.all([
    look(() => lookAtRepositories(deps)),
    look((signal) => lookAtServices(deps, config, signal)),
    look(async () => lookAtRules(deps)),
    look(() => lookAtMessages(deps)),
    look(() => lookAtAgents(deps)),
    look(() => lookAtPages(db)),
    look(() => stuckRecoveries(db)),
  ]);
  const [postMortems, priors, looks, leftOut, freeze] = await Promise.all([
    look(() => openPostMortems(db, world.now())),
    look(() => lookAtPriors(db)),
    look(() => listLooks(db)),
    look(async () => lookAtLeftOut(deps)),
    look(() => readFreeze(db)),
  ]);
  const [store, disk, backup, drill, servers] = await Promise.all([
    look(async () => ({ ...(await readStore(db, world)), embedded: deps.embedded })),
    look(() => lookAtDisk(home)),
    look(() => backedUpAt(db)),
    look(() => drilledAt(db)),
    look(() => countServers(db)),
  ]);
  return {
    at: world.now(),
    config,
    file: configuration.file?.status() ?? null,
    ...{ repositories, services, rules, messages, agents, pages, recoveries },
    ...{ postMortems, priors, looks, leftOut, freeze, store, disk, backup, drill, servers },
    variables: variablesSet(config, environment),
  };
}

/** Resolves within the deadline, whatever the work does. */
async function look<T>(work: (signal: AbortSignal) => Promise<T>): Promise<Seen<T>> {
  const deadline = AbortSignal.timeout(lookMsMax);
  const late = new Promise<never>((_, reject) => {
    deadline.addEventListener("abort", () =>
      reject(new Error(`no answer within ${lookMsMax / 1_000} s`)),
    );
  });
  try {
    return { seen: true, value: await Promise.race([work(deadline), late]) };
  } catch (error) {
    return { seen: false, because: error instanceof Error ? error.message : String(error) };
  }
}

async function lookAtRepositories({ code }: GatherDeps): Promise<readonly RepositoryFact[]> {
  const all = await code.repositories.all();
  return await Promise.all(
    all.map(async ({ name, branch, deliver, credentials }) => {
      const { lookedAt, problem } = code.watch.statusOf(name);
      const mirror = await code.mirrors.of(name);
      const checkedOut = await mirror.checkedOutBranches();
      return { name, branch, deliver, credentials, lookedAt, problem, checkedOut };
    }),
  );
}

async function lookAtServices({ runtime }: GatherDeps, config: Config, signal: AbortSignal) {
  const listed = await runtime.services.list();
  return await Promise.all(
    listed
      .filter(({ adapter }) => adapter !== "none")
      .map(async ({ name, state, because, revision, pinned, failure, held }) => ({
        ...{ name, state, because, revision },
        pinned: pinned?.because ?? null,
        failure: failure?.because ?? null,
        held: held?.because ?? null,
        drift:
          config.services[name]?.runtime?.adapter === "process" && state === "serving"
            ? await runtime.drift(name, signal)
            : null,
      })),
  );
}

function lookAtRules({ signals }: GatherDeps) {
  return signals.status(null).rules.map((rule) => ({
    ...{ rule: rule.rule, service: rule.service, verdict: rule.verdict, detector: rule.detector },
    samples: rule.samples,
    lastSampleAt: rule.lastSampleAt === null ? null : new Date(rule.lastSampleAt),
  }));
}

function lookAtLeftOut({ signals }: GatherDeps): readonly LeftOutFact[] {
  const releases = signals.judgements().flatMap(({ environment, artifact, candidate, leftOut }) =>
    leftOut.map(({ signal, ...left }) => ({
      ...{ ...left, about: `${environment}/${artifact}`, what: `${signal} of ${candidate}` },
      shownBy: `lastgood judgements show ${artifact} --environment ${environment}`,
    })),
  );
  const rules = signals.status(null).rules.map(({ rule, service, signal, leftOut }) => ({
    ...{ ...leftOut, about: `rule ${rule}`, what: `${signal} of ${service}` },
    shownBy: `lastgood signals show ${rule}`,
  }));
  return [...releases, ...rules];
}

async function lookAtMessages({ db, messages }: GatherDeps): Promise<MessagesFact> {
  const { engine, reachable, degraded } = messages.engine();
  const consumers = await messages.consumers();
  return {
    ...{ engine, reachable, degraded },
    consumers: consumers.map(({ name, agent, role, holds, missed }) => ({
      ...{ name, agent, role, missed },
      held: holds.map(({ because }) => because),
    })),
    deadLetters: await countDeadLetters(db),
  };
}

async function lookAtAgents({ db, world }: GatherDeps): Promise<readonly AgentFact[]> {
  const [tokens, contained, worked, unknown] = await Promise.all([
    countTokens(db),
    containmentsInForce(db),
    findAgents(db, world.now(), agentsMax),
    findEffects(db, { state: "unknown", exceptReadOnly: true, limit: effectsMax }),
  ]);
  const names = new Set([
    ...tokens.keys(),
    ...contained.map(({ agent }) => String(agent)),
    ...worked.map(({ name }) => name),
  ]);
  return [...names].map((name) => {
    const containment = contained.find(({ agent }) => agent === name);
    const own = worked.find((each) => each.name === name);
    return {
      name,
      inSessions: own !== undefined,
      parked: own?.parkedBecause ?? null,
      unknownEffects: unknown.filter(({ agent }) => agent === name).length,
      tokens: tokens.get(name) ?? 0,
      contained:
        containment === undefined
          ? null
          : { incident: containment.incident, because: containment.because },
    };
  });
}

async function lookAtPages(db: Db): Promise<PagesFact> {
  const limit = 100;
  const [waiting, undeliverable, open] = await Promise.all([
    findPages(db, { state: "nobody-to-call", limit }),
    findDeliveries(db, { state: "undeliverable", limit }),
    findPages(db, { state: "called", limit: 200 }),
  ]);
  const isOpen = new Set(open.map(({ incident }) => incident));
  return {
    nobodyToCall: waiting.map(({ incident }) => incident),
    // Of a page that is over nobody needs to be reached any more.
    undeliverable: undeliverable.filter(({ incident }) => isOpen.has(incident)),
  };
}

async function lookAtPriors(db: Db): Promise<readonly PriorFact[]> {
  const [probes, drills] = await Promise.all([listProbes(db), lastDrills(db)]);
  return probes.map(({ environment, artifact, version, ok, says, at, starts }) => {
    const drilled = drills.find(
      (each) => each.environment === environment && each.artifact === artifact,
    );
    const drill = drilled === undefined ? null : { at: drilled.at, ok: drilled.ok };
    return { environment, artifact, version, ok, says, at, starts, drill };
  });
}

async function lookAtDisk(folder: string) {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { folder, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Every variable that the configuration names. What they hold is never looked at. */
function variablesSet(
  { people, repositories, services, pages }: Config,
  environment: GatherDeps["environment"],
): Readonly<Record<string, boolean>> {
  const named = [
    pages.pagerdutySecret,
    ...Object.values(people).map(({ pagerduty }) => pagerduty),
    ...Object.values(repositories).flatMap((each) => [each.credentials, each.migrations?.database]),
    ...Object.values(services).flatMap(({ runtime }) =>
      runtime?.adapter === "process" ? runtime.envFrom : [],
    ),
  ];
  return Object.fromEntries(
    named.flatMap((name) => (name === undefined ? [] : [[name, (environment[name] ?? "") !== ""]])),
  );
}
