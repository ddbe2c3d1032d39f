/**
 * What a rollback would go to is tried again and again, so that it is known to start before it is needed.
 *
 *   P1. Every pin in force that has something to go back to: at once when the pin moved, and each `probe.every`.
 *   P2. One process tries at a time, under a lease; each try takes at most five seconds.
 */
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import { rollbackOf } from "../releases/pin.ts";
import { listEnvironments, pinHistory } from "../releases/pin-store.ts";
import { barredVersions } from "../releases/release-store.ts";
import type { Snapshots } from "../releases/snapshot.ts";
import type { Db } from "../store/database.ts";
import { whileHolding } from "../store/lease.ts";
import type { World } from "../world.ts";
import { findProbe, forgetProbe, type Probed, saveProbe } from "./probe-store.ts";
import { type ReverseGate, settingsFor } from "./reverse-gate.ts";
import { isReversible } from "./rollout.ts";
import { servingOn } from "./rollout-store.ts";

export interface PriorProbeDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly snapshots: Snapshots;
  readonly reverseGate: ReverseGate;
  readonly holder: string;
}

interface Dial {
  readonly environment: string;
  readonly artifact: string;
}

export interface PriorProbes {
  /** Tries it now. `state_forbids` where there is nothing to go back to. */
  probe(dial: Dial): Promise<Probed>;
  stop(): Promise<void>;
}

const everyMs = 1_000;
const leaseMs = 15_000;

export function startPriorProbes(deps: PriorProbeDeps): PriorProbes {
  const { db, world, log, configuration, snapshots, holder } = deps;
  /** When each dial was tried last, and under which epoch of its pin. */
  const tried = new Map<string, { readonly at: number; readonly epoch: number }>();

  async function turn(signal: AbortSignal): Promise<void> {
    const due = await dueNow();
    if (due.length === 0) return;
    const held = { name: "prior-probes", holder, ttlMs: leaseMs };
    await whileHolding(db, held, signal, async (_lease, mine) => {
      for (const { dial, epoch } of due) {
        mine.throwIfAborted();
        await tryAgain(dial, mine);
        tried.set(keyOf(dial), { at: world.now().getTime(), epoch });
      }
    });
  }

  async function dueNow() {
    const now = world.now().getTime();
    const due: { readonly dial: Dial; readonly epoch: number }[] = [];
    for (const { name: environment } of await listEnvironments(db)) {
      for (const { artifact, epoch } of (await snapshots.current(environment)).pins.values()) {
        const last = tried.get(keyOf({ environment, artifact }));
        const again = settingsFor(configuration, artifact).probe.every;
        if (last?.epoch === epoch && now - last.at < again) continue;
        due.push({ dial: { environment, artifact }, epoch });
      }
    }
    return due;
  }

  /** Another process may have tried it meanwhile; where there is nothing to go back to, nothing is known of it. */
  async function tryAgain(dial: Dial, signal: AbortSignal): Promise<void> {
    const version = await priorOf(db, dial);
    if (version === null) return await forgetProbe(db, dial);
    const last = await findProbe(db, dial);
    const ageMs = last === null ? Number.POSITIVE_INFINITY : ageOf(last);
    const again = settingsFor(configuration, dial.artifact).probe.every;
    if (last?.version === version && ageMs < again / 2) return;
    await tryOut(deps, dial, version, signal);
  }

  function ageOf({ at }: Probed): number {
    return world.now().getTime() - at.getTime();
  }

  const loop: Loop = startLoop({ name: "prior-probes", everyMs, log, run: turn });
  return {
    async probe(dial) {
      const version = await priorOf(db, dial);
      if (version === null) {
        throw new Fault(
          "state_forbids",
          `${dial.artifact} has nothing to go back to in ${dial.environment}: no earlier pin was good.`,
        );
      }
      return await tryOut(deps, dial, version, new AbortController().signal);
    },
    stop: () => loop.stop(),
  };
}

async function tryOut(
  { db, world, reverseGate }: PriorProbeDeps,
  dial: Dial,
  version: string,
  signal: AbortSignal,
): Promise<Probed> {
  const { ok, starts, says, findings, tookMs } = await reverseGate({ ...dial, version }, signal);
  const probed = { ...dial, version, ok, starts, says, findings, tookMs, at: world.now() };
  await saveProbe(db, probed);
  return probed;
}

/** The release that a rollback of the dial would go to; null: nothing. */
export async function priorOf(db: Db, dial: Dial): Promise<string | null> {
  const open = await servingOn(db, dial);
  if (open !== null && isReversible(open.rollout)) return open.rollout.prior.version;
  const history = await pinHistory(db, dial.environment, dial.artifact);
  const back = rollbackOf(history, await barredVersions(db, dial.artifact));
  const main = back?.to.shares.toSorted((one, other) => other.share - one.share)[0];
  return main?.version ?? null;
}

function keyOf({ environment, artifact }: Dial): string {
  return `${environment}/${artifact}`;
}
