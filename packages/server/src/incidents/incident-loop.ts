/**
 * What the room does by itself, once a second and whenever something happened:
 *
 *     opened, handed-back, investigating ─> investigate (one holder per incident) ─> decide ─> hand over
 *     decided                             ─> hand over until the recovery has begun; look again in a while
 *     contained, restored, mended         ─> catch up with the recovery
 *     verified, resumed                   ─> catch up with the recovery; write up, then close
 *     quiet and nobody to blame           ─> subsided
 *     high, and not contained in time     ─> call a person
 *     what was put back is moved away     ─> a contradiction, which is an incident of its own
 *
 *   L1. Every turn reads where things stand: whatever a killed process left is taken up here.
 *   L2. An investigation holds the lease `incident:<id>`; a decision carries it.
 *   L3. What fails for one incident is reported and tried again; the others go on.
 *   L4. What follows is decided by the incident as it is when its turn has come, not as the loop had read it.
 */
import type { Logger } from "pino";
import { orAborted } from "../abort.ts";
import type { IncidentId } from "../ids.ts";
import { type Loop, startLoop } from "../loop.ts";
import { whileHolding } from "../store/lease.ts";
import { withoutAcquitted } from "./act-ladder.ts";
import { type ConcludeDeps, conclude } from "./conclude.ts";
import { watchContradictions } from "./contradiction.ts";
import { handOver } from "./hand-over.ts";
import { beginInvestigation, close, type Incident, isForPerson, recoveryOf } from "./incident.ts";
import {
  incidentsIn,
  markQuiet,
  pagesDue,
  requireIncident,
  type Stored,
  symptomsOf,
} from "./incident-store.ts";
import { type InvestigateDeps, investigate } from "./investigate.ts";
import { acquittedIn } from "./joining-store.ts";
import { callPerson, moveFresh, ownName } from "./moves.ts";
import { catchUp } from "./recovery-moves.ts";
import { isWell, proveMended, runProof, type TakeoverDeps } from "./takeover.ts";
import { decisionCount, readSuspects } from "./triage-store.ts";

export interface IncidentLoopDeps extends InvestigateDeps, ConcludeDeps, TakeoverDeps {
  readonly log: Logger;
  /** Names this process among those that share the database. */
  readonly holder: string;
  /** How long every symptom must hold by itself before an incident has subsided. */
  readonly quietMs: number;
  readonly turnMs: number;
}

const leaseMs = 10_000;
const investigationsMax = 4;
/** After a decision to move nothing it is looked at again this often, each time after twice as long. */
const looksMax = 6;
const lookAgainMs = 30_000;

export function startIncidentLoop(deps: IncidentLoopDeps): Loop {
  const { db, log } = deps;
  const underWay = new Map<string, Promise<void>>();
  /** What this process has written up, and at which state: nothing is written twice a second. */
  const written = new Map<IncidentId, Incident["state"]>();

  /** Runs beside the turns, once at a time under its key (L3). */
  function begin(key: string, signal: AbortSignal, work: () => Promise<void>): void {
    if (underWay.has(key)) return;
    const running = work()
      .catch((error: unknown) => {
        if (!signal.aborted)
          log.error({ err: error, work: key }, "an incident's turn failed; it will be repeated");
      })
      .finally(() => underWay.delete(key));
    underWay.set(key, running);
  }

  /** For each incident that is in one of these states, and still is when its turn has come (L4). */
  async function beginEach(
    what: string,
    states: readonly Incident["state"][],
    signal: AbortSignal,
    work: (stored: Stored) => Promise<void>,
  ): Promise<void> {
    for (const { incident } of await incidentsIn(db, states)) {
      begin(`${what} ${incident.id}`, signal, async () => {
        const now = await requireIncident(db, incident.id);
        if (states.includes(now.incident.state)) await work(now);
      });
    }
  }

  async function turn(signal: AbortSignal): Promise<void> {
    for (const stored of await incidentsIn(db, ["opened", "handed-back", "investigating"])) {
      const { id, kind } = stored.incident;
      const busy = [...underWay.keys()].filter((key) => key.startsWith("investigate")).length;
      if (isForPerson(kind) || busy >= investigationsMax) continue;
      begin(`investigate ${id}`, signal, async () => {
        await lookInto({ ...deps, concluded: () => loop.wake() }, id, signal);
      });
    }
    await beginEach("settle", ["decided", "frozen"], signal, async (stored) => {
      await handOver(deps, stored);
      await follow(deps, stored);
      await subside(deps, stored, signal);
      await lookAgain(deps, stored, loop);
    });
    await beginEach("follow", ["contained", "restored", "mended"], signal, async (stored) => {
      await proveMended(deps, stored);
      await runProof(deps, await requireIncident(db, stored.incident.id));
      await follow(deps, stored);
    });
    await beginEach("write up", ["verified", "resumed"], signal, async (stored) => {
      await follow(deps, stored);
      await writeUp(deps, stored, written, signal);
    });
    begin("contradictions", signal, () => watchContradictions(deps));
    for (const stored of await pagesDue(db, deps.world.now())) await escalate(deps, stored);
  }

  const loop = startLoop({ name: "incidents", everyMs: deps.turnMs, log, run: turn });
  return {
    wake: loop.wake,
    async stop() {
      await loop.stop();
      await Promise.all(underWay.values());
    },
  };
}

/** One investigation, from the lease to the decision. */
async function lookInto(
  deps: IncidentLoopDeps & { concluded(): void },
  id: IncidentId,
  stopping: AbortSignal,
): Promise<void> {
  const { db, holder } = deps;
  const held = { name: `incident:${id}`, holder, ttlMs: leaseMs };
  await whileHolding(db, held, stopping, async (lease, signal) => {
    const { incident } = await moveFresh(deps, id, ({ incident: before }) =>
      before.state === "opened" || before.state === "handed-back"
        ? {
            next: beginInvestigation(before),
            told: { actor: ownName, event: "incident.investigated", text: "looks for what did it" },
          }
        : null,
    );
    if (incident.state !== "investigating") return;
    const finding = await investigate(deps, incident, lease, signal);
    try {
      signal.throwIfAborted();
      const judgement = withoutAcquitted(finding.judgement, await acquittedIn(db, id));
      await conclude(deps, id, { ...finding, judgement }, lease);
      // The recovery need not wait until the last sandbox is gone.
      deps.concluded();
    } finally {
      await finding.closed;
    }
  });
}

/** Where the recovery's words were lost, its state tells. */
async function follow(deps: IncidentLoopDeps, { incident }: Stored): Promise<void> {
  const id = recoveryOf(incident);
  if (id === null || incident.state === "taken") return;
  const recovery = await deps.recoveries.find(id);
  if (recovery === null) return;
  const at = recovery.endedAt ?? deps.world.now();
  if (recovery.state === "verified") {
    await catchUp(deps, incident.id, id, "resumed", at, "the recovery is verified");
  } else if (recovery.state === "failed" && incident.state !== "frozen") {
    await catchUp(deps, incident.id, id, "failed", at, recovery.because);
  }
}

/**
 * Every symptom holds again and nobody moved anything: after a quiet time the incident is closed, as
 * mended where somebody took a suspect back, as subsided where there is nobody to blame.
 */
async function subside(
  deps: IncidentLoopDeps,
  stored: Stored,
  stopping: AbortSignal,
): Promise<void> {
  const { db, world, signals } = deps;
  const { incident } = stored;
  if (incident.state !== "decided" && incident.state !== "frozen") return;
  if (isForPerson(incident.kind) || incident.decision?.act === "run") return;
  const symptoms = await symptomsOf(db, incident.id);
  const quiet = symptoms.every(({ rule, dimension }) => isWell(signals.stateOf(rule, dimension)));
  const now = world.now();
  if (!quiet) {
    if (stored.quietSince !== null) await markQuiet(db, incident.id, null);
    return;
  }
  if (stored.quietSince === null) return await markQuiet(db, incident.id, now);
  if (now.getTime() - stored.quietSince.getTime() < deps.quietMs) return;
  const blamed = incident.decision?.changes ?? [];
  const taker = await takenBackBy(deps, blamed);
  if (blamed.length > 0 && taker === null) return;
  if (taker !== null) {
    const wanting = await orAborted(deps.writeUps.wantingByHand(incident.id), stopping);
    if (wanting !== null) return;
  }
  const outcome = taker === null ? "subsided" : "mended";
  const since = stored.quietSince.toISOString();
  const because =
    taker === null
      ? `it holds again by itself since ${since}, and no change is to blame`
      : `${taker} took it back, and it holds again since ${since}`;
  await moveFresh(
    deps,
    incident.id,
    ({ incident: same }) =>
      same.state === "decided" || same.state === "frozen"
        ? {
            next: close(same, outcome, because, now),
            told: { actor: taker ?? ownName, event: `incident.${outcome}`, text: because },
          }
        : null,
    async (tx) => {
      const calledOff = `${incident.id} is over: ${because}`;
      await deps.recoveries.callOff(tx, incident.id, { because: calledOff, automaticOnly: true });
      await deps.recoveries.letGo(tx, incident.id);
      await deps.notifier.resolve(tx, incident.id, because);
    },
  );
}

/** Who took one of the changes back, other than a recovery of ours; null if nobody did. */
async function takenBackBy(
  { db }: IncidentLoopDeps,
  changes: readonly string[],
): Promise<string | null> {
  if (changes.length === 0) return null;
  const [row] = await db<{ agent: string }[]>`
    select agent from changes
    where reverts <> '{}' and reverts && ${[...changes]}::uuid[] and agent not like 'recovery:%'
    order by at desc limit 1`;
  return row?.agent ?? null;
}

/** What was left alone for want of evidence is looked at again, ever more rarely, while it lasts. */
async function lookAgain(deps: IncidentLoopDeps, { incident }: Stored, loop: Loop): Promise<void> {
  const { db, world, signals } = deps;
  if (incident.state !== "decided" || incident.decision.act !== "none") return;
  if (incident.kind !== "regression") return;
  const looks = await decisionCount(db, incident.id);
  const dueMs = lookAgainMs * 2 ** (looks - 1);
  const symptoms = await symptomsOf(db, incident.id);
  const { suspects } = await readSuspects(db, incident.id);
  // A symptom that joined nearer to the cause is new evidence at once.
  const moved = symptoms.some(
    ({ detectedAt, service }) => detectedAt > incident.decision.at && service === incident.service,
  );
  const due = world.now().getTime() - incident.decision.at.getTime() >= dueMs;
  if (looks >= looksMax || (!moved && (!due || (suspects.length === 0 && looks >= 3)))) return;
  const bad = symptoms.some(({ rule, dimension }) => signals.stateOf(rule, dimension) === "bad");
  if (!bad) return;
  await moveFresh(deps, incident.id, ({ incident: same }) =>
    same.state === "decided" && same.decision.act === "none"
      ? {
          next: beginInvestigation(same),
          told: {
            actor: ownName,
            event: "incident.looked-at-again",
            text: moved ? "another symptom joined" : "it lasts",
          },
        }
      : null,
  );
  loop.wake();
}

/** The post-mortem, and with it the end; what still lacks a check waits for one, or for a person. */
async function writeUp(
  deps: IncidentLoopDeps,
  { incident }: Stored,
  written: Map<IncidentId, Incident["state"]>,
  stopping: AbortSignal,
): Promise<void> {
  const { writeUps, world } = deps;
  const { state } = incident;
  if (written.get(incident.id) !== state) {
    const { id } = incident;
    const writing = state === "verified" ? writeUps.draft(id) : writeUps.finish(id);
    // Its check may take minutes: a stop does not wait for it, and the next start makes it.
    await orAborted(writing, stopping);
    written.set(incident.id, state);
  }
  if (state !== "resumed") return;
  const putBack = (incident.decision?.changes.length ?? 0) > 0 && incident.recovery !== null;
  if (putBack && (await writeUps.wanting(incident.id)) !== null) return;
  const at = world.now();
  await moveFresh(deps, incident.id, ({ incident: same }) =>
    same.state === "resumed" ? closing(same, at) : null,
  );
  written.delete(incident.id);
}

function closing(incident: Extract<Incident, { state: "resumed" }>, at: Date) {
  const byHand =
    (incident.decision?.changes.length ?? 0) === 0 || incident.decision?.act === "watch";
  const outcome = byHand ? "mended" : "recovered";
  const because = byHand
    ? "put right by a person, proven and written up"
    : "put back, proven and written up";
  return {
    next: close(incident, outcome, because, at),
    told: { actor: ownName, event: "incident.closed", text: because },
  } as const;
}

async function escalate(deps: IncidentLoopDeps, { incident }: Stored): Promise<void> {
  const minutes = Math.round(deps.configuration.current().pages.containWithin / 60_000);
  await deps.db.begin(async (tx) => {
    const stored = await requireIncident(tx, incident.id);
    if (stored.pageDueAt === null) return;
    await callPerson(tx, deps, stored, `not contained within ${minutes} min`, { always: true });
  });
}
