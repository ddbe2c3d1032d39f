/**
 * What the room does by itself, five times a second and whenever something happened: each open rollout is
 * looked at, and takes its next act.
 *
 *   L1. Every turn reads where things stand: whatever a killed process left is taken up here.
 *   L2. One act at a time per rollout; of two processes the row's version lets one through.
 *   L3. The gate is judged by one process at a time, under the lease `rollout:<id>`.
 *   L4. What fails for one rollout is reported and tried again; the others go on.
 *   L5. A person who was called for a dial is told once that is decided, however and by whomever it was.
 *   L6. Of several servers only the one acts that judges releases: the others saw none of the samples.
 */
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { Fault, faults } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import { findPin } from "../releases/pin-store.ts";
import { whileHolding } from "../store/lease.ts";
import { type ActDeps, ownName } from "./acting.ts";
import { judgeAtGate } from "./at-gate.ts";
import type { Gate, Guardrail, ReleaseJudge, ReleaseVerdict, Watched } from "./neighbours.ts";
import { nextAct, type Seen } from "./next-act.ts";
import { type DrillDeps, proveDrills, sawForward } from "./reverse-drill.ts";
import { settingsFor } from "./reverse-gate.ts";
import { headline, isOpen, isServing, type Rollout } from "./rollout.ts";
import { findRollout, openRollouts, type Stored } from "./rollout-store.ts";
import { takeAct } from "./take-act.ts";

export interface RolloutLoopDeps extends ActDeps, Omit<DrillDeps, "db"> {
  readonly log: Logger;
  readonly configuration: Configuration;
  /** Null: none is set up. */
  readonly judge: ReleaseJudge | null;
  /** L6. */
  isJudging(): boolean;
  readonly gate: Gate | null;
  /** Names this process among those that share the database. */
  readonly holder: string;
}

const everyMs = 200;
const decidedEveryMs = 2_000;
const leaseMs = 5_000;
/** A regression is told again this often while it lasts. */
const tellAgainMs = 3_000;

export function startRolloutLoop(deps: RolloutLoopDeps): Loop {
  const { log, judge } = deps;
  const underWay = new Map<string, Promise<void>>();
  const toldAt = new Map<string, number>();
  const watching = new Map<string, Watched>();
  const decided = new Map<string, number>();
  let decidedAt = Number.NEGATIVE_INFINITY;

  function begin(id: string, signal: AbortSignal, work: () => Promise<void>): void {
    if (underWay.has(id)) return;
    const running = work()
      .catch((error: unknown) => {
        if (signal.aborted || isRace(error)) return;
        log.error({ err: error, rollout: id }, "a rollout's turn failed; it will be repeated");
      })
      .finally(() => underWay.delete(id));
    underWay.set(id, running);
  }

  async function turn(signal: AbortSignal): Promise<void> {
    if (!deps.isJudging()) {
      // Who judges again tells the judge anew what to compare.
      watching.clear();
      return;
    }
    const open = await openRollouts(deps.moving.db);
    const turned = withoutOutshone(open);
    watch(deps, watching, turned);
    for (const stored of turned) {
      begin(stored.rollout.id, signal, () => actOn(stored, signal));
    }
    if (performance.now() - decidedAt >= decidedEveryMs) {
      decidedAt = performance.now();
      begin("decided", signal, () => tellDecided(deps, decided));
    }
    begin("drills", signal, () => proveDrills({ ...deps, db: deps.moving.db }));
    const ids = new Set<string>(open.map(({ rollout }) => rollout.id));
    for (const id of toldAt.keys()) if (!ids.has(id)) toldAt.delete(id);
  }

  async function actOn(stored: Stored, signal: AbortSignal): Promise<void> {
    const { rollout } = stored;
    const act = nextAct(rollout, await seenOf(deps, rollout));
    if (act.kind === "rest" || act.kind === "wait" || !deps.isJudging()) return;
    if (act.kind === "report" || act.kind === "report-drift") {
      const now = performance.now();
      if (now - (toldAt.get(rollout.id) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
      toldAt.set(rollout.id, now);
    }
    // A drill turns round once everybody follows what it moved.
    if (act.kind === "turn-round" && rollout.phase === "canary") {
      const drilling = { ...deps, db: deps.moving.db };
      if (!(await sawForward(drilling, rollout, verdictOn(deps, rollout)))) return;
    }
    if (act.kind === "judge") await atGate(stored, signal);
    else await takeAct(deps, stored, act, signal);
    loop.wake();
  }

  /** L3. */
  async function atGate(stored: Stored, stopping: AbortSignal): Promise<void> {
    const { rollout } = stored;
    if (rollout.phase !== "shadow") return;
    const held = { name: `rollout:${rollout.id}`, holder: deps.holder, ttlMs: leaseMs };
    await whileHolding(deps.moving.db, held, stopping, async (_lease, signal) => {
      await judgeAtGate(deps, stored, rollout, signal);
    });
  }

  const loop = startLoop({ name: "rollouts", everyMs, log, run: turn });
  const heard = judge?.onVerdict(() => loop.wake());
  return {
    wake: loop.wake,
    async stop() {
      heard?.();
      await loop.stop();
      await Promise.all(underWay.values());
    },
  };
}

/** Another process, or a person, was first: the next turn looks anew. */
function isRace(error: unknown): boolean {
  return error instanceof Fault && faults[error.code].retry === "after-replanning";
}

/**
 * L5. What moved before the call, and still can, has not answered it; nor has what is about to be stopped again, so
 * that it is looked at twice. `seen` has the row's version at the last look, by rollout.
 */
async function tellDecided(
  { moving: { db }, incidents }: RolloutLoopDeps,
  seen: Map<string, number>,
): Promise<void> {
  const before = new Map(seen);
  seen.clear();
  for (const { rollout: id, since } of await incidents.stuck()) {
    const found = await findRollout(db, id);
    if (found === null || found.rollout.phase === "frozen") continue;
    const { rollout, movedAt, version } = found;
    if (isOpen(rollout) && movedAt <= since) continue;
    seen.set(id, version);
    if (before.get(id) === version) {
      await incidents.stuckOver(rollout.id, ownName, headline(rollout));
    }
  }
}

/** What is live waits while another rollout turns the same dial; what is at its gate turns nothing yet. */
function withoutOutshone(open: readonly Stored[]): readonly Stored[] {
  const dialOf = ({ rollout }: Stored) => `${rollout.environment}/${rollout.artifact}`;
  const turning = open.filter(({ rollout }) => rollout.phase !== "live" && isServing(rollout));
  const dials = new Set(turning.map(dialOf));
  return open.filter((each) => each.rollout.phase !== "live" || !dials.has(dialOf(each)));
}

/** What a rollout's next act is decided by. */
export async function seenOf(
  deps: Pick<RolloutLoopDeps, "moving" | "world" | "incidents" | "configuration" | "judge">,
  rollout: Rollout,
): Promise<Seen> {
  const { environment, artifact } = rollout;
  return {
    pin: await findPin(deps.moving.db, environment, artifact),
    now: deps.world.now(),
    verdict: verdictOn(deps, rollout),
    held: await deps.incidents.heldBecause(artifact, environment),
  };
}

/** What the judge says; null where nothing is declared that it would be held to. */
function verdictOn(
  { configuration, judge }: Pick<RolloutLoopDeps, "configuration" | "judge">,
  rollout: Rollout,
): ReleaseVerdict | null {
  const [first] = settingsFor(configuration, rollout.artifact).guardrails;
  if (first === undefined) return null;
  const said = judge?.verdictOf(rollout) ?? null;
  if (said !== null) return said;
  return {
    ...{ kind: "insufficient", signal: first.signal, dimension: null, method: "floor" },
    ...{ evidence: 1, level: 0, against: 0, samples: 0, onset: null, control: null },
    ...{ controlIsWell: null, failing: [], says: `nothing was seen of ${rollout.candidate} yet` },
  };
}

/** Tells the judge what to compare; what is compared already goes on. */
function watch(
  { judge, configuration }: RolloutLoopDeps,
  watching: Map<string, Watched>,
  turned: readonly Stored[],
): void {
  if (judge === null) return;
  const wanted = new Map(
    turned.flatMap(({ rollout }) => {
      const watched = watchedOf(configuration, rollout);
      return watched === null ? [] : [[`${watched.environment}/${watched.artifact}`, watched]];
    }),
  );
  for (const [dial, watched] of wanted) {
    if (JSON.stringify(watching.get(dial)) === JSON.stringify(watched)) continue;
    watching.set(dial, watched);
    judge.watch(watched);
  }
  for (const [dial, { environment, artifact }] of watching) {
    if (wanted.has(dial)) continue;
    watching.delete(dial);
    judge.unwatch(environment, artifact);
  }
}

function watchedOf(configuration: Configuration, rollout: Rollout): Watched | null {
  const guardrails = settingsFor(configuration, rollout.artifact).guardrails.map(toGuardrail);
  if (guardrails.length === 0 || !isServing(rollout)) return null;
  const { environment, artifact, candidate, prior } = rollout;
  const now = rollout.phase === "frozen" ? rollout.was : rollout;
  const alone = now.phase === "live" && now.percent === 100;
  const { version } = prior;
  const control = alone ? null : version;
  return { environment, artifact, candidate, prior: version, control, guardrails };
}

function toGuardrail({
  signal,
  good,
  delta,
  objective,
  sustain,
  minSamples,
  dimensions,
}: ReturnType<typeof settingsFor>["guardrails"][number]): Guardrail {
  const how = good === undefined ? {} : { good };
  const floor = objective ?? null;
  return { signal, ...how, delta, objective: floor, sustainMs: sustain, minSamples, dimensions };
}
