/**
 * The way back: the same dial, run backward. People, incidents and drills take it by the same functions.
 *
 *   B1. The reverse gate comes before the first key moves; what did not pass is frozen, and a person is called.
 *   B2. What goes back is barred as soon as it begins to; a drill bars nothing.
 *   B3. The last move carries the change that was fixed when it began: done twice, it is done once.
 */
import type { PinShare } from "@lastgood/sdk";
import { lockArtifact } from "../releases/artifact-store.ts";
import type { Pin } from "../releases/pin.ts";
import { broughtSince } from "../releases/pin-desk.ts";
import { pinHistory } from "../releases/pin-store.ts";
import { insertBars } from "../releases/release-store.ts";
import { newChangeId, type World } from "../world.ts";
import { type ActDeps, says, step, stopFor } from "./acting.ts";
import { asPinned } from "./as-pinned.ts";
import { nameOfRollout, turnBackward } from "./dial.ts";
import { clearGate } from "./one-dial.ts";
import {
  type Canary,
  finishRollback,
  pass,
  type Reversible,
  type RollingBack,
  rollBack,
  type Turning,
  turn,
} from "./rollout.ts";
import { moveRollout, recordRolloutEvent, type Stored } from "./rollout-store.ts";

/** Turns the dial the other way; the loop does the rest. */
export async function beginBack(
  {
    moving: { db },
    world,
  }: { readonly moving: Pick<ActDeps["moving"], "db">; readonly world: World },
  stored: Stored,
  rollout: Reversible,
  turning: Turning,
): Promise<void> {
  const { artifact, candidate, purpose } = rollout;
  const { by, why, incident, change } = turning;
  const at = world.now();
  await db.begin(async (tx) => {
    // Who asks for it means the dial as it is: somebody else may have turned it since we looked.
    await lockArtifact(tx, artifact);
    await clearGate(tx, world, rollout);
    const back = rollBack(rollout, turning, at);
    const pin = await asPinned(tx, rollout);
    const there =
      pin === null
        ? back
        : { ...back, percent: 100 - pin.percent, stand: { at, epoch: pin.epoch } };
    await moveRollout(tx, stored, there, at, {
      ...{ actor: by, event: "rollout.turned-back", text: why },
      details: { incident, recovery: turning.recovery, now: turning.now },
    });
    if (turning.unchecked) {
      const text = `${by} lets it go back without looking whether ${rollout.prior.version} starts`;
      const told = { actor: by, event: "reverse-gate.skipped", text };
      await recordRolloutEvent(tx, rollout.id, at, told);
    }
    if (purpose === "drill") return;
    await insertBars(tx, world, artifact, [candidate], { incident, because: why, by, at, change });
  });
}

/** A drill turns round: nobody is to blame, and nothing is barred. */
export async function turnRound(
  deps: ActDeps,
  stored: Stored,
  rollout: Canary,
  why: string,
): Promise<void> {
  await beginBack(deps, stored, rollout, {
    ...{ why, by: nameOfRollout(rollout), incident: null, recovery: null, now: true },
    ...{ change: newChangeId(deps.world), unchecked: false },
  });
}

/** B1. */
export async function lookBack(
  deps: ActDeps,
  stored: Stored,
  rollout: RollingBack,
  signal: AbortSignal,
): Promise<void> {
  const { environment, artifact, prior } = rollout;
  const tried = { environment, artifact, version: prior.version };
  const passage = await deps.reverseGate(tried, signal);
  if (!passage.ok) {
    const way = `lastgood rollout back ${rollout.id} --now --unchecked`;
    const why = `the way back to ${prior.version} is not passable (${passage.says}): mend it and resume, or go without looking: ${way}`;
    return await stopFor(deps, stored, rollout, why);
  }
  const at = deps.world.now();
  await step(deps, stored, pass(rollout, at), {
    ...says(rollout, "reverse-gate.passed", `${prior.version} is passable: ${passage.says}`),
    details: { findings: passage.findings, tookMs: passage.tookMs },
  });
}

export async function turnBackTo(
  deps: ActDeps,
  stored: Stored,
  rollout: RollingBack,
  percent: number,
): Promise<void> {
  const { environment, artifact, candidate, prior, stand, turning } = rollout;
  const history = await pinHistory(deps.moving.db, environment, artifact);
  const all = percent === 100;
  const text = all ? `everybody on ${prior.version}` : `${percent} % on ${prior.version}`;
  await turnBackward(deps, stored, {
    shares: backShares(history[0]?.shares ?? [], candidate, prior.version, percent),
    expect: stand.epoch,
    did: turning.recovery === null ? "rollback" : "recovery",
    by: turning.recovery === null ? turning.by : `recovery:${turning.recovery}`,
    because: turning.why,
    // B3.
    change: all ? turning.change : newChangeId(deps.world),
    reverts: all ? broughtSince(history, prior) : [],
    told: says(rollout, all ? "rollout.rolled-back" : "rollout.turned", text),
    next: ({ at, epoch }) =>
      all ? finishRollback(rollout, { at, epoch }) : turn(rollout, percent, { at, epoch }),
  });
}

/** What is pinned keeps its place, what comes stands last: no key that went back goes forth again. */
function backShares(
  current: readonly PinShare[],
  candidate: string,
  prior: string,
  percent: number,
): Pin["shares"] {
  const share = (version: string) => (version === prior ? percent : 100 - percent);
  const versions = current.some(({ version }) => version === prior)
    ? current.map(({ version }) => version).filter((each) => each === prior || each === candidate)
    : [candidate, prior];
  return versions
    .map((version) => ({ version, share: share(version) }))
    .filter((each) => each.share > 0);
}
