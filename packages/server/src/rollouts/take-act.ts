/**
 * Takes the act that a rollout's next step is: the one place where the machine's decisions become moves.
 *
 *   K1. Every move is an arrow under the row's version; what lost the race moved nothing, and is looked at anew.
 *   K2. What a deployment is refused for in mid-ramp (a bar, a review) freezes it: nothing is forced.
 */
import { Fault } from "../fault.ts";
import { type ActDeps, ownName, says, step, stopFor, stopServing } from "./acting.ts";
import { nameOfRollout, type Turn, turnForward } from "./dial.ts";
import type { Regressed, ReleaseVerdict } from "./neighbours.ts";
import type { Act } from "./next-act.ts";
import { supersedeLive } from "./one-dial.ts";
import { sharesOf } from "./ramp.ts";
import {
  admit,
  bake,
  beginShadow,
  type Canary,
  isReversible,
  type Prior,
  promote,
  type Reversible,
  raise,
  refuse,
  type Shadow,
} from "./rollout.ts";
import { changesBringing, type Stored } from "./rollout-store.ts";
import { lookBack, turnBackTo, turnRound } from "./way-back.ts";
import { yieldTo } from "./yield.ts";

/** What the loop does by itself. The gate is not here: it takes its time under a lease. */
export async function takeAct(
  deps: ActDeps,
  stored: Stored,
  act: Exclude<Act, { kind: "judge" }>,
  signal: AbortSignal,
): Promise<void> {
  const { rollout } = stored;
  switch (act.kind) {
    case "rest":
    case "wait":
      return;
    case "begin":
      if (rollout.phase !== "candidate") return;
      return await step(deps, stored, beginShadow(rollout), {
        ...{ actor: ownName, event: "rollout.shadowed", text: "is at the gate" },
      });
    case "bake":
      if (rollout.phase !== "live") return;
      return await step(deps, stored, bake(rollout, deps.world.now()), {
        ...{ actor: ownName, event: "rollout.baked" },
        text: "the close look is over; it goes on being watched",
      });
    case "raise":
      if (rollout.phase === "canary") await raiseTo(deps, stored, rollout, act);
      return;
    case "promote":
      if (rollout.phase === "canary") await promoteTo(deps, stored, rollout);
      return;
    case "report":
      if (isReversible(rollout)) await report(deps, stored, rollout, act.verdict);
      return;
    case "report-drift":
      if (!isReversible(rollout)) return;
      return await deps.incidents.reportDrift(await regressedOf(deps, rollout, act.verdict));
    case "freeze":
      if (rollout.phase === "canary" || rollout.phase === "rolling-back") {
        await stopFor(deps, stored, rollout, act.because);
      }
      return;
    case "turn-round":
      if (rollout.phase === "canary") await turnRound(deps, stored, rollout, act.because);
      return;
    case "look-back":
      if (rollout.phase === "rolling-back") await lookBack(deps, stored, rollout, signal);
      return;
    case "turn":
    case "finish":
      if (rollout.phase !== "rolling-back") return;
      return await turnBackTo(deps, stored, rollout, act.kind === "turn" ? act.percent : 100);
    case "yield":
      if (isReversible(rollout) || rollout.phase === "rolling-back") {
        await yieldTo(deps, stored, rollout, act.to);
      }
      return;
  }
}

/** The first step of its ramp, after the gate. At 0 % it serves nobody, and no pin moves. */
export async function admitTo(
  deps: ActDeps,
  stored: Stored,
  rollout: Shadow,
  { prior, because }: { readonly prior: Prior; readonly because: string },
): Promise<void> {
  const percent = rollout.plan.ramp[0]?.percent ?? 100;
  const { candidate } = rollout;
  const told = says(rollout, "rollout.admitted", `${percent} % to ${candidate}: ${because}`);
  if (percent === 0) {
    const stand = { at: deps.world.now(), epoch: prior.epoch };
    await step(deps, stored, admit(rollout, prior, 0, stand), told);
    return;
  }
  await forward(deps, stored, rollout, {
    shares: sharesOf(prior.version, candidate, percent),
    expect: prior.epoch,
    told,
    next: ({ at, epoch }) => admit(rollout, prior, percent, { at, epoch }),
  });
}

async function raiseTo(
  deps: ActDeps,
  stored: Stored,
  rollout: Canary,
  { step, percent }: { readonly step: number; readonly percent: number },
): Promise<void> {
  const { candidate, prior, stand } = rollout;
  await forward(deps, stored, rollout, {
    shares: sharesOf(prior.version, candidate, percent),
    expect: stand.epoch,
    told: says(rollout, "rollout.raised", `${percent} % to ${candidate}`),
    next: ({ at, epoch }) => raise(rollout, step, percent, { at, epoch }),
  });
}

async function promoteTo(deps: ActDeps, stored: Stored, rollout: Canary): Promise<void> {
  const { candidate, prior, plan, stand } = rollout;
  const percent = 100 - plan.holdback;
  const rest = plan.holdback === 0 ? "" : `; ${prior.version} keeps ${plan.holdback} %`;
  await forward(deps, stored, rollout, {
    shares: sharesOf(prior.version, candidate, percent),
    expect: stand.epoch,
    told: says(rollout, "rollout.promoted", `${percent} % to ${candidate}${rest}`),
    next: ({ at, epoch }) => promote(rollout, percent, { at, epoch }),
    alongside: (tx) => supersedeLive(tx, deps.world, rollout),
  });
}

/** K2. */
async function forward(
  deps: ActDeps,
  stored: Stored,
  rollout: Canary | Shadow,
  turn: Omit<Turn, "by" | "because">,
): Promise<void> {
  const because = rollout.because === "" ? `rolls out ${rollout.candidate}` : rollout.because;
  try {
    await turnForward(deps, stored, { ...turn, by: nameOfRollout(rollout), because });
  } catch (error) {
    const refused = ["was_rolled_back", "review_missing", "policy_missing", "state_forbids"];
    if (!(error instanceof Fault) || !refused.includes(error.code)) throw error;
    if (rollout.phase === "canary") return await stopFor(deps, stored, rollout, error.message);
    await step(deps, stored, refuse(rollout, ownName, error.message), {
      ...{ actor: ownName, event: "rollout.refused", text: error.message },
    });
  }
}

/** The incident decides what follows; meanwhile nothing moves, unless a person has decided that it goes on. */
async function report(
  deps: ActDeps,
  stored: Stored,
  rollout: Reversible,
  verdict: ReleaseVerdict,
): Promise<void> {
  const regressed = await regressedOf(deps, rollout, verdict);
  const incident = await deps.incidents.reportRelease(regressed);
  // R4 of rollout.ts: who overruled it once is called, and not overruled.
  if (rollout.hand !== null || rollout.phase === "frozen") return;
  const stop = { by: ownName, why: verdict.says, at: deps.world.now(), incident };
  await stopServing(deps, stored, rollout, stop, {
    ...{ actor: ownName, event: "rollout.frozen", text: `${verdict.says}; see ${incident}` },
    details: { incident, verdict: { ...verdict, onset: verdict.onset?.toISOString() ?? null } },
  });
}

async function regressedOf(
  { moving: { db } }: ActDeps,
  rollout: Reversible,
  verdict: ReleaseVerdict,
): Promise<Regressed> {
  const { id, environment, artifact, candidate, prior, plan, hand } = rollout;
  return {
    ...{ rollout: id, environment, artifact, candidate, verdict, prior: prior.version },
    changes: await changesBringing(db, rollout, candidate, prior.epoch),
    automatic: plan.automatic,
    decided: hand === null ? [] : [`${hand.by} ${hand.did} ${candidate}`],
  };
}
