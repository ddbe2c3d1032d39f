/** The runtime as a layer: what the services run is put back by serving a revision, never in place. */
import { setTimeout as pause } from "node:timers/promises";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { ServiceName } from "../../ids.ts";
import type { Change } from "../../ledger/change.ts";
import { findChanges } from "../../ledger/ledger-store.ts";
import type { Db } from "../../store/database.ts";
import { emptyPlan, type Layer, type Plan, type Step, untouched } from "../layer.ts";
import type { Deploys } from "./deploys.ts";
import { servedRevision } from "./probe-revision.ts";
import type { Reading, RuntimeAdapter } from "./service.ts";

export interface RuntimeLayerDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  readonly deploys: Deploys;
  readonly adapterOf: (service: string) => RuntimeAdapter;
}

const planMsMax = 30_000;
const busyMsMax = 120_000;
const retireMsMax = 10_000;
const changesMax = 1_000;

export interface RuntimeLayer extends Layer<"runtime"> {
  /** What makes `service` serve `to`: the empty plan when it already does. Reads, never writes. */
  planServe(service: string, to: string): Promise<Plan<"runtime">>;
}

export function createRuntimeLayer(deps: RuntimeLayerDeps): RuntimeLayer {
  const { db, deploys, adapterOf } = deps;

  async function planServe(
    service: string,
    to: string,
    signal: AbortSignal = AbortSignal.timeout(planMsMax),
  ): Promise<Plan<"runtime">> {
    const adapter = adapterOf(service);
    const { revision: from } = await adapter.read(signal);
    if (from === to) return emptyPlan;
    const step: Step<"runtime"> = {
      layer: "runtime",
      stage: "relieve",
      action: { do: "set-revision", service: service as ServiceName, from, to },
      says: `serve ${to.slice(0, 12)} from ${service} instead of ${from?.slice(0, 12) ?? "nothing"}`,
    };
    return {
      steps: [step],
      losses: adapter.losses,
      conflicts: [],
      gaps: adapter.gaps,
      reversible: from !== null,
      touches: untouched,
    };
  }

  return {
    kind: "runtime",
    planServe: (service, to) => planServe(service, to),

    async plan({ changes }, signal) {
      const found =
        changes.length === 0 ? [] : await findChanges(db, { ids: changes, limit: changesMax });
      const plans: Plan<"runtime">[] = [];
      for (const [service, undone] of deploysByService(found)) {
        const back = whereTo(service, undone, await adapterOf(service).read(signal));
        if (typeof back === "string") plans.push({ ...emptyPlan, conflicts: [back] });
        else plans.push(await planServe(service, back.to, signal));
      }
      return joined(plans);
    },

    async apply({ action }, { changeId, actor, reason }, signal) {
      const { service, from, to } = action;
      const done = await deploys.deploy(
        { service, to, from, changeId, actor, reason, pin: "recovered", waitMs: busyMsMax },
        signal,
      );
      if (done.outcome === "served") return;
      throw new Fault(
        "not_healthy",
        `${service} does not serve ${to.slice(0, 12)}: ${done.because}. What served before still does.`,
        { context: { service, revision: to, output: done.output.slice(-2_000) } },
      );
    },

    verify: (step, signal) => verify(deps, step, signal),

    async undo({ action: { service, from } }, signal) {
      if (from !== null) return await planServe(service, from, signal);
      const gap = `${service} served nothing before: stop it with \`lastgood services stop ${service}\` if that is wanted`;
      return { ...emptyPlan, gaps: [gap], reversible: false };
    },
  };
}

/** Deploys of services that are still declared, oldest first, by service. */
function deploysByService(changes: readonly Change[]): ReadonlyMap<string, readonly Change[]> {
  const found = changes.filter(({ layer, kind }) => layer === "runtime" && kind === "deploy");
  return Map.groupBy(found.toReversed(), (change) => change.target);
}

/** Before the first of the undone deploys, if nothing has moved the service since the last of them. */
function whereTo(
  service: string,
  undone: readonly Change[],
  { revision }: Reading,
): { readonly to: string } | string {
  const first = undone[0]?.from ?? null;
  const last = undone.at(-1)?.to ?? null;
  if (first === null) return `${service} served nothing before ${last?.slice(0, 12)}`;
  if (revision !== last && revision !== first) {
    return `${service} has been moved since, from ${last?.slice(0, 12)} to ${revision?.slice(0, 12) ?? "nothing"}: undo that deploy as well, or revert the commits`;
  }
  return { to: first };
}

function joined(plans: readonly Plan<"runtime">[]): Plan<"runtime"> {
  return {
    steps: plans.flatMap((plan) => plan.steps),
    losses: plans.flatMap((plan) => plan.losses),
    conflicts: plans.flatMap((plan) => plan.conflicts),
    gaps: plans.flatMap((plan) => plan.gaps),
    reversible: plans.every((plan) => plan.reversible),
    touches: untouched,
  };
}

/** Reads the running service afresh: its revision, health, own word, files, and what ran before it. */
async function verify(
  { configuration, adapterOf, deploys }: RuntimeLayerDeps,
  { action }: Step<"runtime">,
  signal: AbortSignal,
) {
  const { service, to: wanted } = action;
  const adapter = adapterOf(service);
  const reading = await settled(adapter, signal);
  const differences: string[] = [];
  const observed: string[] = [];
  const reached = await deploys.isReached(action, reading.revision);
  const to = reached && reading.revision !== null ? reading.revision : wanted;
  if (!reached) {
    differences.push(`${service} serves ${reading.revision ?? "nothing"}, not ${wanted}`);
  } else {
    const pid = reading.pid ? ` (pid ${reading.pid})` : "";
    observed.push(`${service} serves ${to}${pid}${to === wanted ? "" : `, which has ${wanted}`}`);
  }
  if (reading.state === "restarting") differences.push(`${service} exited and is being restarted`);
  for (const old of reading.retiring) {
    differences.push(`an instance of ${old.revision} (pid ${old.pid}) has not ended`);
  }
  const wrong = await adapter.health(signal);
  if (wrong === null) observed.push(`${service} is healthy`);
  else differences.push(`${service}: ${wrong}`);
  for (const said of await servedRevision(configuration.current(), service, signal)) {
    if (said.revision === to) observed.push(`${said.url} says ${said.revision}`);
    else differences.push(`${said.url} says ${said.revision ?? said.because}, not ${to}`);
  }
  const drift = await adapter.drift(to, signal);
  for (const file of drift ?? []) differences.push(`served file ${file} from the revision`);
  if (drift?.length === 0) observed.push("the served files are those of the revision");
  const [first, ...rest] = differences;
  return first === undefined
    ? ({ ok: true, observed } as const)
    : ({ ok: false, differences: [first, ...rest] as [string, ...string[]] } as const);
}

/** What was replaced is given the time to end that it was promised. */
async function settled(adapter: RuntimeAdapter, signal: AbortSignal): Promise<Reading> {
  const deadline = performance.now() + retireMsMax;
  for (;;) {
    const reading = await adapter.read(signal);
    if (reading.retiring.length === 0 || performance.now() > deadline) return reading;
    await pause(50, undefined, { signal });
  }
}
