/**
 * What the runtime does by itself: brings each service to the tip of its branch, starts what should run
 * and does not, and tells of instances that exited. A pair of loops per service, so that a slow deploy
 * of one keeps no other waiting.
 */
import type { Logger } from "pino";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Mirrors } from "../../git/mirror.ts";
import type { ChangeId } from "../../ids.ts";
import { type Loop, startLoop } from "../../loop.ts";
import type { Db } from "../../store/database.ts";
import { newChangeId, type World } from "../../world.ts";
import type { Deploys } from "./deploys.ts";
import type { KeeperStatus } from "./keeper-protocol.ts";
import type { ProcessAdapter } from "./process-adapter.ts";
import { recordServiceEvent, releasePin, writeFailure, writeHeld } from "./runtime-store.ts";
import {
  isBackingOff,
  type MayDeploy,
  type Reading,
  type Running,
  type RuntimeAdapter,
  type ServiceRecord,
  type TipSource,
  wanted,
} from "./service.ts";

export interface DeployLoopDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly mirrors: Mirrors;
  readonly tips: TipSource;
  readonly mayDeploy: MayDeploy;
  readonly isRecovered: (step: ChangeId) => Promise<boolean>;
  readonly deploys: Deploys;
  readonly adapterOf: (service: string) => RuntimeAdapter | ProcessAdapter;
  readonly onRunning: (running: Running) => void;
}

const processEveryMs = 2_000;
const commandEveryMs = 15_000;
const configurationEveryMs = 2_000;
const absentMs = 1_000;
const commitsMax = 1_000;
/** A service that restarts does not count as running well until it lasts. */
const exitMemoryMs = 5_000;

export function startDeployLoop(deps: DeployLoopDeps): Loop {
  const { log, configuration, tips, adapterOf } = deps;
  const running = new Map<string, readonly Loop[]>();

  /** Services come and go with the configuration. */
  async function follow(): Promise<void> {
    const { services } = configuration.current();
    const declared = Object.keys(services).filter((name) => services[name]?.runtime !== undefined);
    for (const service of declared) {
      if (!running.has(service)) running.set(service, loopsOf(service));
    }
    for (const [service, loops] of running) {
      if (declared.includes(service)) continue;
      running.delete(service);
      await Promise.all(loops.map((loop) => loop.stop()));
    }
  }

  function loopsOf(service: string): readonly Loop[] {
    const { kind } = adapterOf(service);
    const everyMs = kind === "process" ? processEveryMs : commandEveryMs;
    const converging = startLoop({
      name: `deploy ${service}`,
      everyMs,
      log,
      run: (signal) => converge(deps, service, signal),
    });
    if (kind === "command") return [converging];
    const watch = watchExits(deps, service, () => converging.wake());
    return [
      converging,
      startLoop({ name: `watch ${service}`, everyMs: absentMs, log, run: watch }),
    ];
  }

  const unsubscribe = tips.subscribe((repository) => {
    const { services } = configuration.current();
    for (const [service, [converging]] of running) {
      if (services[service]?.repository === repository) converging?.wake();
    }
  });
  const following = startLoop({
    name: "services",
    everyMs: configurationEveryMs,
    log,
    run: follow,
  });
  return {
    wake() {
      for (const [converging] of running.values()) converging?.wake();
    },
    async stop() {
      unsubscribe();
      await following.stop();
      await Promise.all([...running.values()].flat().map((loop) => loop.stop()));
    },
  };
}

/** One turn for one service: read, record what moved, and deploy the tip if it may be. */
async function converge(deps: DeployLoopDeps, service: string, signal: AbortSignal): Promise<void> {
  const { configuration, deploys, adapterOf } = deps;
  const declared = configuration.current().services[service];
  if (declared?.runtime === undefined) return;
  const { reading, record } = await deploys.observe(service, signal);
  await deploys.catchUp(service);
  tellServing(deps, service, reading);
  if (declared.runtime.adapter === "command") return;
  if (record.pin?.until === "recovered" && (await deps.isRecovered(record.pin.by))) {
    await releasePin(deps.db, service, record.pin.by);
    return await converge(deps, service, signal);
  }
  const { repository } = declared;
  const onPush = declared.runtime.deploy === "on-push" && repository !== undefined;
  const tip = onPush ? await newTip(deps, repository, record) : null;
  const { settings } = adapterOf(service);
  const want = wanted(record, reading, { tip, settings });
  try {
    if (want.do === "start") await startAgain(deps, record, want.revision, signal);
    if (want.do === "deploy" && repository !== undefined) {
      const to = await letOut(deps, repository, record, want.revision);
      const served = to === reading.revision && settings === reading.settings;
      if (to !== null && !served) await deployPush(deps, record, { repository, to, signal });
    }
  } catch (error) {
    // Somebody else deploys it at this moment: the next turn sees what came of it.
    if (!(error instanceof Fault && error.code === "target_busy")) throw error;
  }
}

function tellServing(
  { world, onRunning }: DeployLoopDeps,
  service: string,
  reading: Reading,
): void {
  const at = world.now();
  const lately = at.getTime() - exitMemoryMs;
  if (reading.state !== "serving" || (reading.exitedAt?.getTime() ?? 0) > lately) return;
  onRunning({ service, at, ok: true, says: `serves ${reading.revision}` });
}

async function deployPush(
  { world, deploys }: DeployLoopDeps,
  record: ServiceRecord,
  { repository, to, signal }: { repository: string; to: string; signal: AbortSignal },
): Promise<void> {
  if (isBackingOff(record, to, world.now())) return;
  await deploys.deploy(
    {
      service: record.service,
      to,
      changeId: newChangeId(world),
      actor: "lastgood",
      reason: `${to.slice(0, 12)} was pushed to ${repository}`,
      pin: "leave",
      waitMs: 0,
    },
    signal,
  );
}

/** The tip, unless what is served has it already: a branch that was moved back takes no service back. */
async function newTip(
  { mirrors }: DeployLoopDeps,
  repository: string,
  { served }: ServiceRecord,
): Promise<string | null> {
  const mirror = await mirrors.of(repository);
  const tip = await mirror.tip();
  if (tip === null || served === null || served === tip) return tip;
  return (await mirror.isAncestor(tip, served)) ? null : tip;
}

/** Asks the gate. What it holds is on record; what may go out instead is returned. */
async function letOut(
  { db, world, mirrors, mayDeploy }: DeployLoopDeps,
  repository: string,
  { service, served, held }: ServiceRecord,
  tip: string,
): Promise<string | null> {
  const commits = await (await mirrors.of(repository)).commitsBetween(served, tip, commitsMax);
  const ids = commits.map((commit) => commit.id);
  const answer = await mayDeploy(repository, ids);
  if (answer.ok) {
    if (held !== null) await writeHeld(db, service, null);
    return tip;
  }
  if (held?.revision !== tip || held.because !== answer.because) {
    const at = world.now();
    await writeHeld(db, service, { revision: tip, because: answer.because, at });
    await recordServiceEvent(db, service, {
      at,
      event: "deploy.held",
      text: `${tip.slice(0, 12)} is not deployed: ${answer.because}`,
      details: { revision: tip, deployable: answer.deployable },
      key: `held:${tip}:${answer.because}`,
    });
  }
  return answer.deployable ?? served;
}

/** What ran is gone with its keeper, by a reboot or a kill: a hard failure, told and mended. */
async function startAgain(
  { db, world, deploys, onRunning }: DeployLoopDeps,
  record: ServiceRecord,
  revision: string,
  signal: AbortSignal,
): Promise<void> {
  const { service } = record;
  const at = world.now();
  if (isBackingOff(record, revision, at)) return;
  const text = `nothing served ${revision.slice(0, 12)} any more; it is started again`;
  const key = `gone:${at.toISOString()}`;
  await recordServiceEvent(db, service, { at, event: "service.gone", text, details: {}, key });
  onRunning({ service, at, ok: false, says: text });
  const done = await deploys.restart(service, revision, signal);
  if (done.outcome === "served") return;
  const { attempts } = await writeFailure(db, service, { revision, at, because: done.because });
  await recordServiceEvent(db, service, {
    at,
    event: "start.failed",
    text: `${revision.slice(0, 12)} was not started again: ${done.because}`,
    details: { revision, attempts, output: done.output },
    key: `start-failed:${at.toISOString()}`,
  });
}

/** Waits for the next exit and tells of it once. A keeper that is gone takes its instance with it. */
function watchExits(
  { db, adapterOf, onRunning }: DeployLoopDeps,
  service: string,
  wakeDeploys: () => void,
): (signal: AbortSignal) => Promise<void> {
  let seen = { keeper: 0, sequence: 0 };
  return async (signal) => {
    const adapter = adapterOf(service);
    if (adapter.kind !== "process" || !("exitAfter" in adapter)) return;
    while (!signal.aborted) {
      const status: KeeperStatus | null = await adapter.exitAfter(seen.sequence, signal);
      if (status === null) return wakeDeploys();
      if (status.pid !== seen.keeper) seen = { keeper: status.pid, sequence: 0 };
      for (const exit of status.exits.filter((each) => each.sequence > seen.sequence)) {
        const how = exit.signal ?? `code ${exit.code}`;
        const at = new Date(exit.at);
        const text = `an instance of ${exit.revision.slice(0, 12)} exited with ${how}`;
        const { revision, output } = exit;
        const key = `exit:${status.pid}:${exit.at}`;
        const event = { at, event: "instance.exited", text, details: { revision, output }, key };
        if (await recordServiceEvent(db, service, event)) {
          onRunning({ service, at, ok: false, says: text });
        }
        seen = { keeper: status.pid, sequence: exit.sequence };
      }
    }
  };
}
