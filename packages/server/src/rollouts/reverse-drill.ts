/**
 * A drill of the way back on the live fleet: the release before gets a share of the keys, and gives it back. It
 * is a rollout like any other, whose candidate is what served before, so it takes the same dial and the same gate.
 *
 *   W1. It passes only with all of its proofs, drill-proofs.ts.
 *   W2. What consumers follow is read from what they said themselves.
 *   W3. It bars nothing, and it turns round at once when the release before is worse.
 *   W4. At every turn it is looked whether anything is worse, and what is is written down at once: who goes on
 *       after a kill knows of it.
 */
import type { GateFinding, ReverseDrill } from "@lastgood/sdk";
import { type Consumer, listConsumers, liveMs } from "../releases/consumer-store.ts";
import { sayShares } from "../releases/pin.ts";
import { pinHistory } from "../releases/pin-store.ts";
import type { Query } from "../store/database.ts";
import type { World } from "../world.ts";
import { ownName } from "./acting.ts";
import {
  type GateSeen,
  type Proof,
  proofOfPrior,
  proofOfSignals,
  type RulesSeen,
  type SignalsSeen,
  worseNow,
} from "./drill-proofs.ts";
import type { ReleaseJudge, ReleaseVerdict } from "./neighbours.ts";
import { isOpen, type Rollout } from "./rollout.ts";
import { readEvents, recordRolloutEvent, type Stored, unprovenDrills } from "./rollout-store.ts";

export interface DrillDeps {
  readonly db: Query;
  readonly world: World;
  /** Null: none is set up. */
  readonly judge: Pick<ReleaseJudge, "verdictOf"> | null;
  rulesOf(artifact: string): RulesSeen;
}

/** How long consumers are waited for at each end of a drill. */
const followMsMax = 5_000;
const consumersMax = 10_000;
const admitted = "rollout.admitted";
const worsened = "drill.worsened";

/** Everybody that uses the artifact and was heard of since the drill began, or shortly before. */
async function consumersOf(db: Query, rollout: Rollout): Promise<readonly Consumer[]> {
  const since = rollout.startedAt.getTime() - liveMs;
  const all = await listConsumers(db, rollout.environment, consumersMax);
  return all.filter(
    ({ artifacts, seenAt }) =>
      (artifacts === null || artifacts.includes(rollout.artifact)) && seenAt.getTime() >= since,
  );
}

/**
 * Whether the drill may turn round: every consumer follows the share that it moved, or was waited for long
 * enough. What was seen is recorded once, before the dial is turned.
 */
export async function sawForward(
  deps: DrillDeps,
  rollout: Extract<Rollout, { phase: "canary" }>,
  verdict: ReleaseVerdict | null,
): Promise<boolean> {
  const { db, world } = deps;
  const { stand } = rollout;
  const consumers = await consumersOf(db, rollout);
  const behind = consumers.filter(({ epoch }) => epoch < stand.epoch);
  const waitedMs = world.now().getTime() - stand.at.getTime();
  const isWorse = await noteWorse(deps, rollout, verdict);
  if (behind.length > 0 && waitedMs < followMsMax && !isWorse) return false;
  await recordRolloutEvent(db, rollout.id, world.now(), {
    ...{ actor: ownName, event: "drill.followed", key: "followed" },
    text: `${consumers.length - behind.length} of ${consumers.length} consumers follow epoch ${stand.epoch}`,
    details: {
      epoch: stand.epoch,
      followers: consumers.filter((each) => !behind.includes(each)).map(nameOf),
      behind: behind.map(nameOf),
      verdict: verdict === null ? null : { kind: verdict.kind, says: verdict.says },
    },
  });
  return true;
}

/** W4. Each thing once; says whether there was any. */
async function noteWorse(
  { db, world, rulesOf }: DrillDeps,
  { id, artifact }: Rollout,
  verdict: ReleaseVerdict | null,
): Promise<boolean> {
  const worse = worseNow(verdict, rulesOf(artifact));
  for (const { what, says } of worse) {
    const told = { actor: ownName, event: worsened, key: `worse:${what}`, text: says };
    await recordRolloutEvent(db, id, world.now(), told);
  }
  return worse.length > 0;
}

/** Looks at drills, and ends those that are turned back: waits for who follows, and writes down what is proven. */
export async function proveDrills(deps: DrillDeps): Promise<void> {
  const { db, world, judge } = deps;
  for (const stored of await unprovenDrills(db)) {
    const { rollout, movedAt } = stored;
    await noteWorse(deps, rollout, judge?.verdictOf(rollout) ?? null);
    if (rollout.phase === "canary" || rollout.phase === "rolling-back") continue;
    const consumers = await consumersOf(db, rollout);
    const epoch = rollout.phase === "rolled-back" ? rollout.stand.epoch : 0;
    const behind = consumers.filter((each) => each.epoch < epoch);
    const waitedMs = world.now().getTime() - movedAt.getTime();
    const events = await readEvents(db, rollout.id);
    // Who did not follow on the way there is not waited for again.
    const lost = new Set(forthIn(events)?.behind ?? []);
    const awaited = behind.filter((each) => !lost.has(nameOf(each)));
    if (awaited.length > 0 && waitedMs < followMsMax) continue;
    const proofs = await proofsOf(deps, stored, events, { consumers, behind });
    const ok = proofs.every(({ holds }) => holds);
    await recordRolloutEvent(db, rollout.id, world.now(), {
      ...{ actor: ownName, event: "drill.proved", key: "proved", details: { ok, proofs } },
      text: ok ? "the way back is passable, there and back again" : "the drill FAILED",
    });
  }
}

interface Followed {
  readonly epoch: number;
  readonly followers: readonly string[];
  readonly behind: readonly string[];
  readonly verdict: SignalsSeen["verdict"];
}

type Events = Awaited<ReturnType<typeof readEvents>>;

/** What `sawForward` wrote down. */
function forthIn(events: Events): Followed | undefined {
  return events.find(({ event }) => event === "drill.followed")?.details as Followed | undefined;
}

async function proofsOf(
  { db, rulesOf }: DrillDeps,
  { rollout }: Stored,
  events: Events,
  {
    consumers,
    behind,
  }: { readonly consumers: readonly Consumer[]; readonly behind: readonly Consumer[] },
): Promise<readonly Proof[]> {
  const forth = forthIn(events);
  const isBack = rollout.phase === "rolled-back";
  const pins = await pinHistory(db, rollout.environment, rollout.artifact, 50);
  const shareAt = (epoch: number) => {
    const pin = pins.find((each) => each.epoch === epoch);
    return pin === undefined ? "?" : sayShares(pin.shares);
  };
  const there = new Set(forth?.followers ?? []);
  const back = consumers.filter((each) => !behind.includes(each)).map(nameOf);
  const both = isBack ? back.filter((each) => there.has(each)) : [];
  const missing = [...new Set([...(forth?.behind ?? []), ...behind.map(nameOf)])];
  const why = rollout.phase === "refused" ? rollout.why : `it is ${rollout.phase}`;
  return [
    proofOfPrior(rollout, gateIn(events, why)),
    {
      what: "shares moved and moved back, as consumers acknowledged",
      holds: both.length > 0,
      seen:
        forth === undefined || !isBack
          ? `no share was seen to move there and back: ${why}`
          : `${shareAt(forth.epoch)} at epoch ${forth.epoch}, ${shareAt(rollout.stand.epoch)} at epoch ${rollout.stand.epoch}, acknowledged by ${both.length}`,
    },
    {
      what: "every consumer acknowledged both",
      holds: both.length > 0 && missing.length === 0,
      seen:
        consumers.length === 0
          ? "nobody says that they follow the pin: nothing was proven"
          : missing.length === 0
            ? `${both.length} of ${consumers.length}`
            : `not by ${missing.slice(0, 10).join(", ")}`,
    },
    proofOfSignals(rollout.artifact, {
      since: events.find(({ event }) => event === admitted)?.at ?? null,
      verdict: forth?.verdict ?? null,
      rules: rulesOf(rollout.artifact),
      worsened: events
        .filter(({ event }) => event === worsened)
        .map(({ at, text }) => ({ at, says: text })),
    }),
  ];
}

/** What the reverse gate wrote down, before a share was moved. */
function gateIn(events: Events, why: string): GateSeen {
  const tried = events.find(({ event }) => event === "reverse-gate.tried");
  return {
    passed: events.some(({ event }) => event === admitted),
    findings: (tried?.details.findings ?? []) as readonly GateFinding[],
    ...{ says: tried?.text ?? "", why },
  };
}

/** As the API shows it; null: the rollout is no drill. */
export async function drillToApi(
  db: Query,
  { rollout, endedAt }: Stored,
): Promise<ReverseDrill | null> {
  if (rollout.purpose !== "drill") return null;
  const events = await readEvents(db, rollout.id);
  const proved = events.find(({ event }) => event === "drill.proved");
  const details = (proved?.details ?? {}) as { ok?: boolean; proofs?: readonly Proof[] };
  return {
    rollout: rollout.id,
    ...{ environment: rollout.environment, artifact: rollout.artifact, prior: rollout.candidate },
    ended: proved !== undefined && !isOpen(rollout),
    ok: details.ok === true,
    proofs: details.proofs ?? [],
    startedAt: rollout.startedAt.toISOString(),
    endedAt: proved === undefined ? null : (endedAt ?? proved.at).toISOString(),
  };
}

function nameOf({ who, id }: Consumer): string {
  return `${who}/${id}`;
}
