/**
 * The gate, before a candidate serves its first key. It records on the release itself what it scored, and what
 * failed; here it is told in the rollout.
 */
import { findPin } from "../releases/pin-store.ts";
import { type ActDeps, ownName, says, step, stopFor } from "./acting.ts";
import type { Gate, GateVerdict } from "./neighbours.ts";
import { refuse, type Shadow } from "./rollout.ts";
import { recordRolloutEvent, type Stored } from "./rollout-store.ts";
import { admitTo } from "./take-act.ts";

/** Of thousands of cases not each is told in the rollout; the gate's own run has them. */
const progressEveryMs = 1_000;

interface Found {
  readonly verdict: GateVerdict;
  readonly details: Readonly<Record<string, unknown>>;
}

export async function judgeAtGate(
  deps: ActDeps & { readonly gate: Gate | null },
  stored: Stored,
  rollout: Shadow,
  signal: AbortSignal,
): Promise<void> {
  const { environment, artifact, candidate } = rollout;
  const pin = await findPin(deps.moving.db, environment, artifact);
  const main = pin?.shares.toSorted((one, other) => other.share - one.share)[0];
  if (pin === null || main === undefined || main.version === candidate) {
    const why =
      pin === null
        ? "nothing is pinned that could serve the rest"
        : `${candidate} is pinned already`;
    return await step(deps, stored, refuse(rollout, ownName, why), {
      ...{ actor: ownName, event: "rollout.refused", text: why },
    });
  }
  const { verdict, details } =
    rollout.purpose === "drill"
      ? await tryReverse(deps, rollout, signal)
      : await askGate(deps, rollout, main.version, signal);
  if (verdict.kind === "freeze") {
    return await stopFor(deps, stored, rollout, `the gate froze it: ${verdict.because}`);
  }
  if (verdict.kind === "refuse") {
    return await step(deps, stored, refuse(rollout, "the gate", verdict.because), {
      // Why is told by what judged it, just before.
      ...{
        actor: "gate",
        event: "rollout.refused",
        text: `${rollout.candidate} is refused`,
        details,
      },
    });
  }
  await admitTo(deps, stored, rollout, {
    prior: { version: main.version, epoch: pin.epoch },
    because: verdict.because,
  });
}

async function askGate(
  deps: ActDeps & { readonly gate: Gate | null },
  rollout: Shadow,
  live: string,
  signal: AbortSignal,
): Promise<Found> {
  const { id, environment, artifact, candidate, plan } = rollout;
  const { db } = deps.moving;
  const started = plan.ramp[0]?.percent === 0 ? await tryReverse(deps, rollout, signal) : null;
  if (started !== null && started.verdict.kind !== "promote") return started;
  if (deps.gate === null) {
    const because = "no gate is set up, so nothing was checked before its first traffic";
    return { verdict: { kind: "promote", because, scores: [], failed: [] }, details: {} };
  }
  const asked = { environment, artifact, candidate, live };
  let telling: Promise<void> = Promise.resolve();
  let toldAt = Number.NEGATIVE_INFINITY;
  const progress = (text: string) => {
    if (performance.now() - toldAt < progressEveryMs) return;
    toldAt = performance.now();
    const told = says(rollout, "gate.progressed", text);
    // What is told on the way may be missed; that the verdict cannot be written down is a fault.
    telling = telling
      .then(() => recordRolloutEvent(db, id, deps.world.now(), told))
      .catch(() => {});
  };
  const verdict = await deps.gate.judge(asked, progress, signal);
  await telling;
  const at = deps.world.now();
  const details = { verdict: verdict.kind, scores: verdict.scores, failed: verdict.failed };
  await recordRolloutEvent(db, id, at, {
    ...{ actor: "gate", event: "gate.judged", text: verdict.because, details },
  });
  return { verdict, details };
}

/** For what was live before, and for what starts beside the other: whole, starts, well, and its smoke checks. */
async function tryReverse(
  { reverseGate, moving, world }: ActDeps,
  { id, environment, artifact, candidate }: Shadow,
  signal: AbortSignal,
): Promise<Found> {
  const passage = await reverseGate({ environment, artifact, version: candidate }, signal);
  const { findings, starts, tookMs } = passage;
  await recordRolloutEvent(moving.db, id, world.now(), {
    ...{ actor: ownName, event: "reverse-gate.tried", text: passage.says },
    details: { findings, starts, tookMs },
  });
  const verdict: GateVerdict = {
    kind: passage.ok ? "promote" : "refuse",
    because: passage.says,
    ...{ scores: [], failed: [] },
  };
  return { verdict, details: { findings } };
}
