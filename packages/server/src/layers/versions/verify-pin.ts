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

/** Waits for the rollout that turns its dial back, and then reads the pin. */
export async function verifyTurned(
  db: Query,
  turnBack: TurnBack,
  action: Extract<Action, { do: "turn-back" }>,
  signal: AbortSignal,
): Promise<Verification> {
  const { rollout, artifact } = action;
  const deadline = performance.now() + turnMsMax;
  let now = await turnBack.read(rollout);
  while (now.kind === "under-way") {
    if (performance.now() >= deadline) {
      return { ok: "waiting", waitsFor: `the reverse ramp of ${rollout}: ${now.says}` };
    }
    await pause(lookEveryMs, undefined, { signal });
    now = await turnBack.read(rollout);
  }
  const found = await verifyPin(db, action, signal);
  if (found.ok !== false || now.kind === "back") return found;
  return { ok: false, differences: [`${artifact} is not back: ${now.says}`] };
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
  if (now === undefined || isAstray(action, now)) {
    const is = now === undefined ? "nothing" : sayPin(now);
    const difference = `${environment} has ${is} of ${artifact} pinned, not ${sayShares(to)}`;
    return { ok: false, differences: [difference] };
  }
  const said = [sayBack(history, now, action), ...(await sayFollowers(db, now, signal))];
  return { ok: true, observed: said };
}

/**
 * Whether the pin is not where it should be: anything that is to go has more of the keys than it should. Others may have
 * moved on meanwhile, to what they want next: then it is gone all the same. What is to come back must be there.
 */
export function isAstray({ from, to, lifts }: Action, now: Pin): boolean {
  if (lifts.length > 0) return !isSame(now.shares, to);
  const goes = gainedBy(to, from.shares);
  return gainedBy(to, now.shares).some((version) => goes.includes(version));
}

/** `history` is newest first. */
function sayBack(
  history: readonly Pin[],
  now: Pin,
  { environment, artifact, from, to }: Action,
): string {
  const what = `${sayShares(to)} of ${artifact} pinned`;
  if (isSame(now.shares, to)) return `${environment} has ${what} since epoch ${now.epoch}`;
  const back = history.find(({ epoch, shares }) => epoch > from.epoch && isSame(shares, to));
  const since = `${environment} has ${sayPin(now)} pinned since epoch ${now.epoch}, and nothing that was to go`;
  return back === undefined ? since : `${environment} had ${what} at epoch ${back.epoch}; ${since}`;
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
