/**
 * What people do to incidents: take one, say that it is put right, give it back, close it; and freeze or
 * thaw everything automatic. Each act is in the timeline and in the audit, under the person's name.
 */
import { Fault } from "../fault.ts";
import { audit } from "../http/audit.ts";
import type { IncidentId, ServiceName } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Recoveries } from "../recovery/recovery.ts";
import type { Query } from "../store/database.ts";
import { type Freeze, putFreeze, readFreeze } from "./freeze.ts";
import {
  beginInvestigation,
  close,
  handBack,
  type Incident,
  mend,
  requireAllowed,
  resume,
  take,
  verify,
} from "./incident.ts";
import { incidentsIn, requireIncident, type Stored, symptomsOf } from "./incident-store.ts";
import { type MoveDeps, moveFresh, type Told } from "./moves.ts";
import type { Barred, SignalSource, WriteUps } from "./neighbours.ts";
import { announce } from "./recovery-moves.ts";
import { servicesOf } from "./taken.ts";

export interface TakeoverDeps extends MoveDeps {
  readonly recoveries: Recoveries;
  readonly signals: SignalSource;
  readonly writeUps: WriteUps;
}

type Step = { readonly next: Incident; readonly told: Told };

/** From now on nothing automatic touches the incident's targets. */
export async function takeIncident(
  deps: TakeoverDeps,
  id: string,
  by: string,
  reason: string,
): Promise<Stored> {
  return await act(deps, id, "take", by, reason, (incident) =>
    incident.state === "opened" ||
    incident.state === "investigating" ||
    incident.state === "decided" ||
    incident.state === "frozen" ||
    incident.state === "contained" ||
    incident.state === "restored" ||
    incident.state === "handed-back"
      ? step(take(incident, by), by, "incident.taken", reason || `${by} took it`)
      : null,
  );
}

/** A person says that it is put right: Lastgood reads the world, replays, resumes and writes up. */
export async function finishIncident(
  deps: TakeoverDeps,
  id: string,
  by: string,
  reason: string,
): Promise<Stored> {
  return await act(
    deps,
    id,
    "done",
    by,
    reason,
    (incident) =>
      incident.state === "taken" ? step(mend(incident, by), by, "incident.mended", reason) : null,
    async (tx, { incident }) => {
      // What it holds is held until it is proven: the recovery that proves it lets go of that.
      const because = `${by} put right ${incident.id}: ${reason}`;
      await deps.recoveries.callOff(tx, incident.id, { because, automaticOnly: true });
    },
  );
}

/** Automation goes on with it. */
export async function handBackIncident(
  deps: TakeoverDeps,
  id: string,
  by: string,
  reason: string,
): Promise<Stored> {
  return await act(deps, id, "hand-back", by, reason, (incident) =>
    incident.state === "taken"
      ? step(handBack(incident, by), by, "incident.handed-back", reason || `${by} handed it back`)
      : null,
  );
}

/** Closes what needs no recovery, or what is over and lacks a check, for a reason that is kept. */
export async function closeIncident(
  deps: TakeoverDeps,
  id: string,
  by: string,
  reason: string,
): Promise<Stored> {
  const at = deps.world.now();
  return await act(
    deps,
    id,
    "close",
    by,
    reason,
    (incident) => {
      if (incident.state === "closed") return null;
      const outcome = incident.state === "resumed" ? "recovered" : "dismissed";
      const event = outcome === "recovered" ? "check.waived" : "incident.dismissed";
      return step(close(incident, outcome, reason, at), by, event, reason);
    },
    async (tx, { incident }) => {
      const because = `${by} closed ${incident.id}: ${reason}`;
      await deps.recoveries.callOff(tx, incident.id, { because });
      await deps.recoveries.letGo(tx, incident.id);
      await deps.notifier.resolve(tx, incident.id, `closed by ${by}: ${reason}`);
    },
  );
}

async function act(
  deps: TakeoverDeps,
  id: string,
  action: Parameters<typeof requireAllowed>[0],
  by: string,
  reason: string,
  next: (incident: Incident) => Step | null,
  alongside: (tx: Query, moved: Stored) => Promise<void> = async () => {},
): Promise<Stored> {
  const known = await requireIncident(deps.db, id);
  return await moveFresh(
    deps,
    known.incident.id,
    ({ incident }) => {
      requireAllowed(action, incident);
      return next(incident);
    },
    async (tx, moved) => {
      await alongside(tx, moved);
      const at = deps.world.now();
      const target = moved.incident.id;
      await audit(tx, {
        at,
        actor: by,
        action: `incident.${action}`,
        target,
        outcome: "done",
        because: reason,
      });
    },
  );
}

function step(next: Incident, actor: string, event: string, text: string): Step {
  return { next, told: { actor, event, text } };
}

/**
 * What follows a person's `done`: a recovery without changes, which waits for the baseline, replays what
 * was held or failed, and releases. Where no layer has anything to do, the rules themselves must hold.
 */
export async function proveMended(deps: TakeoverDeps, { incident }: Stored): Promise<void> {
  if (incident.state !== "mended" || incident.recovery !== null) return;
  const { db, configuration, recoveries } = deps;
  const symptoms = await symptomsOf(db, incident.id);
  const services = servicesOf(configuration.current(), incident, symptoms);
  try {
    const recovery = await recoveries.plan(
      {
        changes: [],
        agents: [],
        services: services as readonly ServiceName[],
        since: incident.onset,
        incident: incident.id,
        because: `${incident.by} put it right: prove it, replay and resume`,
      },
      incident.by,
    );
    await moveFresh(deps, incident.id, ({ incident: now }) =>
      now.state === "mended"
        ? {
            next: { ...now, recovery: recovery.id },
            told: {
              actor: incident.by,
              event: "recovery.planned",
              text: `${recovery.id} proves it, replays and resumes`,
            },
          }
        : null,
    );
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "nothing_to_revert") throw error;
    const unwell = symptoms.some(
      ({ rule, dimension }) => !isWell(deps.signals.stateOf(rule, dimension)),
    );
    if (unwell) return;
    const at = deps.world.now();
    await moveFresh(
      deps,
      incident.id,
      ({ incident: now }) =>
        now.state === "mended"
          ? {
              next: resume(verify(now, at), at),
              told: {
                actor: incident.by,
                event: "incident.resumed",
                text: "every rule holds again, and nothing was held or had failed",
              },
            }
          : null,
      async (tx, moved, before) => {
        await recoveries.letGo(tx, incident.id);
        await announce(tx, deps, moved, before.incident);
      },
    );
  }
}

/** Starts what `proveMended` planned; repeated until it has begun. */
export async function runProof(deps: TakeoverDeps, { incident }: Stored): Promise<void> {
  if (incident.state !== "mended" || incident.recovery === null) return;
  const recovery = await deps.recoveries.find(incident.recovery);
  if (recovery?.state !== "planned") return;
  await deps.recoveries.run(recovery.id, recovery.digest, incident.by);
}

export function isWell(state: ReturnType<SignalSource["stateOf"]>): boolean {
  return state === "well" || state === "gone";
}

/** Stops everything automatic at once, until `thaw`. */
export async function freezeAll(deps: MoveDeps, by: string, reason: string): Promise<Freeze> {
  const { db, world } = deps;
  const freeze = { by, reason, at: world.now() };
  await db.begin(async (tx) => {
    await putFreeze(tx, freeze);
    await audit(tx, {
      at: freeze.at,
      actor: by,
      action: "freeze",
      target: "everything automatic",
      outcome: "done",
      because: reason,
    });
  });
  return freeze;
}

/** Lets automation go on, and look again at what it would have put right but for the freeze. */
export async function thawAll(deps: MoveDeps, by: string, reason: string): Promise<Freeze | null> {
  const { db, world } = deps;
  const was = await db.begin(async (tx) => {
    const freeze = await readFreeze(tx);
    await putFreeze(tx, null);
    await audit(tx, {
      at: world.now(),
      actor: by,
      action: "thaw",
      target: "everything automatic",
      outcome: "done",
      because: reason,
    });
    return freeze;
  });
  if (was === null) return null;
  for (const { incident } of await incidentsIn(db, ["frozen"])) {
    if (incident.state !== "frozen" || incident.decision?.would !== "run") continue;
    await moveFresh(deps, incident.id, ({ incident: now }) =>
      now.state === "frozen"
        ? step(beginInvestigation(now), by, "incident.looked-at-again", `thawed by ${by}`)
        : null,
    );
  }
  return was;
}

/** A change that was taken back is pushed again: told in the incident, without calling anybody anew. */
export async function tellBarred(
  { db, world }: MoveDeps,
  { incident, repository, commit, agent, because }: Barred,
): Promise<void> {
  const id = incident ?? (await newestOn(db, repository));
  if (id === null) return;
  await recordEvent(db, id, {
    at: world.now(),
    actor: agent,
    event: "change.barred",
    text: `${agent} pushed ${commit.slice(0, 7)} to ${repository}, which is barred: ${because}`,
    details: { repository, commit, agent },
    key: `barred-${commit}`,
  });
}

async function newestOn(db: Query, repository: string): Promise<IncidentId | null> {
  const [row] = await db<{ incident: IncidentId }[]>`
    select s.incident from incident_suspects s
    join changes c on c.id = s.change_id join incidents i on i.id = s.incident
    where c.layer = 'code' and c.target = ${repository}
    order by i.opened_at desc limit 1`;
  return row?.incident ?? null;
}
