import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Query } from "../store/database.ts";
import { type Incident, signatureOf } from "./incident.ts";
import { incidentsIn } from "./incident-store.ts";
import type { Arriving, Dialled, Open } from "./joining.ts";
import type { SignalSource } from "./neighbours.ts";
import { isWell } from "./takeover.ts";

const joinable = [
  "opened",
  "investigating",
  "decided",
  "frozen",
  "contained",
  "restored",
  "taken",
  "mended",
  "handed-back",
] as const satisfies readonly Incident["state"][];

/** What is open and not yet over, oldest first. */
export async function readOpen(
  db: Query,
  { stateOf }: Pick<SignalSource, "stateOf">,
  { symptom, release }: Arriving,
): Promise<readonly Open[]> {
  const open = (await incidentsIn(db, joinable)).map(({ incident }) => incident);
  const ids = open.map(({ id }) => id);
  const signature = signatureOf(symptom);
  const symptoms = await db<
    { incident: IncidentId; signature: string; rule: string; dimension: string | null }[]
  >`
    select incident, signature, rule, dimension from incident_symptoms
    where incident = any(${ids})`;
  const releases = await db<({ incident: IncidentId } & Told)[]>`
    select incident, details -> 'release' ->> 'rollout' as rollout,
           details -> 'release' ->> 'environment' as environment
    from incident_events where incident = any(${ids}) and details ? 'release'`;
  return open.map((incident) => {
    const own = symptoms.filter((each) => each.incident === incident.id);
    // What is said of an artifact's next release stands under the same rule.
    const others = own.filter(({ rule }) => release === null || rule !== symptom.rule);
    return {
      incident,
      isSame: own.some((each) => each.signature === signature),
      releases: releases.filter((each) => each.incident === incident.id),
      lasts: others.some(({ rule, dimension }) => !isWell(stateOf(rule, dimension))),
    };
  });
}

type Told = Pick<Dialled, "rollout" | "environment">;

/** How a timeline remembers a release that was told in it. */
export function toldOf(release: Dialled | null): Readonly<Record<string, unknown>> {
  if (release === null) return {};
  const { rollout, environment } = release;
  return { release: { rollout, environment } };
}

/** Of a release that fell with what served before it: it is not looked for here any more. */
export async function acquit(
  db: Query,
  incident: IncidentId,
  { rollout, changes }: Dialled,
  at: Date,
): Promise<void> {
  await recordEvent(db, incident, {
    ...{ at, actor: rollout, event: "release.acquitted" },
    text: "its release is not to blame: what served before it fell as well, or it has served unchanged for long",
    details: { acquits: changes },
    key: `acquitted-${rollout}-${changes.length}`,
  });
}

export async function acquittedIn(db: Query, incident: IncidentId): Promise<readonly string[]> {
  const rows = await db<{ change: string }[]>`
    select distinct jsonb_array_elements_text(details -> 'acquits') as change
    from incident_events where incident = ${incident} and event = 'release.acquitted'`;
  return rows.map(({ change }) => change);
}
