/**
 * How a rollout begins. Everything that stands against it is found before anything moves.
 *
 *   S1. One dial, one rollout that turns it: a second start is refused, and hears who was first.
 *   S2. A ramp goes from one release to another.
 *   S3. A loop of rollbacks and redeployments ends: after several in a row only a person begins the next.
 */
import type { RampPlan } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { Pin } from "../releases/pin.ts";
import type { Deploy } from "../releases/pin-desk.ts";
import type { Query, Tx } from "../store/database.ts";
import { newId } from "../world.ts";
import type { ActDeps } from "./acting.ts";
import { stepsOf } from "./ramp.ts";
import { settingsFor } from "./reverse-gate.ts";
import type { Candidate, Rollout, RolloutId } from "./rollout.ts";
import {
  automaticBacksInARow,
  insertRollout,
  liveOn,
  recordRolloutEvent,
  turningOn,
} from "./rollout-store.ts";

export interface StartDeps extends Pick<ActDeps, "desk" | "world"> {
  readonly configuration: Configuration;
}

export interface Start {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly by: string;
  readonly session: string | null;
  readonly because: string;
  readonly ramp: readonly number[] | null;
  readonly holdMs: number | null;
  readonly blueGreen: boolean;
  readonly expect: number | null;
  readonly inFlight: Deploy["inFlight"];
  readonly override: string | null;
  readonly purpose: Rollout["purpose"];
}

export async function startIn(tx: Tx, deps: StartDeps, order: Start): Promise<Candidate> {
  const { environment, artifact, version, by, because, purpose } = order;
  const { desk, world, configuration } = deps;
  const plan = planOf(configuration, order);
  const pin = await desk.requireDeployable(tx, {
    ...{ environment, artifact, by, because, expect: order.expect, session: order.session },
    ...{ inFlight: order.inFlight, override: order.override },
    wanted: { kind: "all", version },
  });
  await requireFreeDial(tx, order);
  await requireOneServing(tx, order, pin);
  if (!by.startsWith("token:") && purpose === "release") {
    await requireNoLoop(tx, configuration, order);
  }
  const startedAt = world.now();
  const rollout: Candidate = {
    ...{ id: newId<RolloutId>(world, "ro"), environment, artifact, candidate: version },
    ...{ purpose, plan, startedBy: by, startedAt, because, hand: null, phase: "candidate" },
  };
  await insertRollout(tx, rollout);
  await recordRolloutEvent(tx, rollout.id, startedAt, {
    ...{ actor: by, event: "rollout.started", details: { plan } },
    text: because === "" ? `rolls out ${version}` : because,
  });
  return rollout;
}

/** An agent that deploys again and again what goes back again and again is stopped: the next is a person's. */
export async function requireNoLoop(
  db: Query,
  configuration: Configuration,
  dial: { readonly environment: string; readonly artifact: string },
): Promise<void> {
  const cap = configuration.current().caps.recoveriesInARow;
  const inARow = await automaticBacksInARow(db, dial);
  if (inARow < cap) return;
  const { artifact } = dial;
  throw new Fault(
    "cap_reached",
    `${inARow} rollouts of ${artifact} in a row went back by themselves: a person looks at it and begins the next, with \`lastgood rollout start ${artifact}:<version>\`.`,
    { context: { artifact, inARow } },
  );
}

function planOf(configuration: Configuration, order: Start): RampPlan {
  const settings = settingsFor(configuration, order.artifact);
  const holdMs = order.holdMs ?? settings.hold;
  const { bake: bakeMs, automatic, holdback } = settings;
  if (order.blueGreen) {
    requireNoRamp(order);
    // Everybody means everybody: what is configured of ramps and of a holdback is not meant.
    const flip = { ramp: stepsOf([0, 100], holdMs), reverse: stepsOf([100], 0) };
    return { ...flip, bakeMs, automatic, holdback: 0 };
  }
  return {
    ramp: stepsOf(order.ramp ?? settings.ramp, holdMs),
    reverse: stepsOf(settings.reverse, settings.reverseHold),
    ...{ bakeMs, automatic, holdback },
  };
}

function requireNoRamp({ artifact, version, ramp }: Start): void {
  if (ramp === null) return;
  const release = `${artifact}:${version}`;
  throw new Fault(
    "bad_input",
    `Blue/green moves everybody at once, and ${ramp.join(", ")} is a ramp: leave \`ramp\` out, or \`blueGreen\`. Write \`lastgood rollout start ${release} --blue-green\`, or \`--ramp ${ramp.join(",")}\` in its place.`,
    { context: { path: "ramp" } },
  );
}

async function requireFreeDial(tx: Tx, order: Start): Promise<void> {
  const other = await turningOn(tx, order);
  if (other === null) return;
  const { id, candidate, startedBy, startedAt, phase } = other.rollout;
  throw new Fault(
    "target_busy",
    `${startedBy} is rolling out ${order.artifact}:${candidate} in ${order.environment} since ${startedAt.toISOString()} (${id}, ${phase}): wait for it, or turn it back with \`lastgood rollout back ${id}\`.`,
    { context: { rollout: id, startedBy } },
  );
}

/** S2. Only a holdback of our own may stand beside it. */
async function requireOneServing(tx: Tx, order: Start, pin: Pin | null): Promise<void> {
  const { artifact, environment, version } = order;
  if (pin === null) {
    throw new Fault(
      "state_forbids",
      `Nothing of ${artifact} is pinned in ${environment} that could serve the rest: deploy the first release with \`lastgood deploy ${artifact}:${version}\`.`,
    );
  }
  const main = pin.shares.toSorted((one, other) => other.share - one.share)[0];
  if (main?.version === version) {
    throw new Fault("state_forbids", `${artifact}:${version} is what is pinned already.`);
  }
  if (pin.shares.length === 1) return;
  const live = await liveOn(tx, order);
  if (live?.rollout.candidate === main?.version) return;
  const shares = pin.shares.map(({ version, share }) => `${version}:${share}`).join(" ");
  throw new Fault(
    "state_forbids",
    `${artifact} is split by hand in ${environment} (${shares}): a ramp begins from one release; deploy one of them to everybody first.`,
  );
}
