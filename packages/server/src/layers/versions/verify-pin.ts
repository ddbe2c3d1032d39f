/** Whether a pin went back: read afresh, with what happened to it since. */
import { setTimeout as pause } from "node:timers/promises";
import { type Consumer, followersOf } from "../../releases/consumer-store.ts";
import { gainedBy, isSame, type Pin, sayShares } from "../../releases/pin.ts";
import { pinHistory } from "../../releases/pin-store.ts";
import type { TurnBack } from "../../rollouts/turn-back.ts";
import type { Query } from "../../store/database.ts";
import type { Step, Verification } from "../layer.ts";

type Action = Step<"versions">["action"];

/** How long consumers are waited for before they are listed as stragglers. */
const followMsMax = 5_000;
/** How long a dial that is turned back is waited for before it is said that it takes longer. */
const turnMsMax = 20_000;
const lookEveryMs = 50;
const stragglersShown = 20;

/** Null: the rollout has turned its dial back, and the pin is read next. */
export async function awaitTurned(
  turnBack: TurnBack,
  { rollout, artifact }: Extract<Action, { do: "turn-back" }>,
  signal: AbortSignal,
): Promise<Verification | null> {
  const deadline = performance.now() + turnMsMax;
  for (;;) {
    const now = await turnBack.read(rollout);
    if (now.kind === "back") return null;
    if (now.kind === "stopped") {
      return { ok: false, differences: [`${artifact} is not back: ${now.says}`] };
    }
    if (performance.now() >= deadline) {
      return { ok: "waiting", waitsFor: `the reverse ramp of ${rollout}: ${now.says}` };
    }
    await pause(lookEveryMs, undefined, { signal });
  }
}

/** Reads the pin afresh, and waits a little for those who follow it. */
export async function verifyPin(
  db: Query,
  action: Action,
  signal: AbortSignal,
): Promise<Verification> {
  const { environment, artifact, to } = action;
  const history = await pinHistory(db, environment, artifact);
  const [now] = history;
  const back = wentBack(history, action);
  if (now === undefined || back === null) {
    const is = now === undefined ? "nothing" : sayPin(now);
    const difference = `${environment} has ${is} of ${artifact} pinned, not ${sayShares(to)}`;
    return { ok: false, differences: [difference] };
  }
  const since = `${environment} has ${sayShares(to)} of ${artifact} pinned since epoch ${back.epoch}`;
  const passed = `${environment} had ${sayShares(to)} of ${artifact} pinned at epoch ${back.epoch}, and has ${sayPin(now)} since`;
  return {
    ok: true,
    observed: [back === now ? since : passed, ...(await sayFollowers(db, now, signal))],
  };
}

/**
 * The pin that was the way back. Others may have moved on since, to what they want next: it counts all the same,
 * as long as nothing that went has come again. Null: it did not go back, or not for long. `history` is newest
 * first.
 */
function wentBack(history: readonly Pin[], { from, to }: Action): Pin | null {
  const [now] = history;
  if (now === undefined) return null;
  if (isSame(now.shares, to)) return now;
  const went = gainedBy(to, from.shares);
  const cameAgain = gainedBy(to, now.shares).some((version) => went.includes(version));
  if (cameAgain) return null;
  return history.find(({ epoch, shares }) => epoch > from.epoch && isSame(shares, to)) ?? null;
}

async function sayFollowers(db: Query, pin: Pin, signal: AbortSignal): Promise<readonly string[]> {
  const deadline = performance.now() + followMsMax;
  let followers = await followersOf(db, pin, stragglersShown);
  while (followers.behind > 0 && performance.now() < deadline) {
    await pause(lookEveryMs, undefined, { signal });
    followers = await followersOf(db, pin, stragglersShown);
  }
  const { following, behind, stragglers } = followers;
  return [
    `${following} of ${following + behind} consumers say that they follow it`,
    ...stragglers.map((each) => `straggler: ${sayConsumer(each)}`),
  ];
}

function sayPin({ shares, by }: Pin): string {
  return `${sayShares(shares)} (by ${by})`;
}

function sayConsumer({ id, who, epoch, seenAt }: Consumer): string {
  return `${id} of ${who} follows epoch ${epoch}, heard of at ${seenAt.toISOString()}`;
}
