/**
 * A regression opens an incident, or joins the open one that it belongs to.
 *
 *   O1. The same signature (service, rule, segment) never has two open incidents.
 *   O2. Another rule of the same service joins; so does one of a service that lies up- or downstream of
 *       it in the declared graph, if it went bad within 15 minutes of the incident.
 *   O3. Who joins upstream of the incident's service becomes its service: the cause is nearer to it.
 *   O4. A regression that began before the incident with its signature was verified is its echo.
 */
import type { Config, Mode } from "../config/config.ts";
import { reachedFrom } from "../config/graph.ts";
import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Verdict } from "../signals/verdict.ts";
import type { Query } from "../store/database.ts";
import { newId } from "../world.ts";
import { readFreeze } from "./freeze.ts";
import { type Incident, isForPerson, openIncident, type Symptom, signatureOf } from "./incident.ts";
import {
  incidentsIn,
  insertIncident,
  lastVerifiedWith,
  lockOpening,
  moveIncident,
  putSymptom,
  requireIncident,
  type Stored,
  symptomsOf,
} from "./incident-store.ts";
import { modeOf } from "./modes.ts";
import { callPerson, type MoveDeps, ownName } from "./moves.ts";
import { graver, severityOf } from "./severity.ts";

export type Noticed =
  | { readonly kind: "opened" | "joined" | "known"; readonly incident: IncidentId }
  | { readonly kind: "echo" | "well" };

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
const joinWithinMs = 15 * 60_000;

/** Takes in one verdict, in one transaction. */
export async function notice(deps: MoveDeps, verdict: Verdict): Promise<Noticed> {
  if (verdict.kind !== "regression" && verdict.kind !== "drift") return { kind: "well" };
  const config = deps.configuration.current();
  const symptom = symptomOf(verdict);
  return await deps.db.begin(async (tx) => {
    await lockOpening(tx);
    const joined = await findOpen(tx, config, symptom);
    if (joined !== null) return await join(tx, deps, joined, symptom);
    const over = await lastVerifiedWith(tx, signatureOf(symptom));
    if (over !== null && symptom.onset <= over.verifiedAt) return { kind: "echo" } as const;
    return { kind: "opened", incident: await open(tx, deps, verdict, symptom) } as const;
  });
}

/** The symptom that a verdict states. */
export function symptomOf(verdict: Verdict): Symptom {
  const { rule, service, signal, dimension, customerFacing, severity, hard, says } = verdict;
  const { floor, level, evidence, samples } = verdict;
  return {
    ...{ service, rule, signal, dimension, customerFacing, severity, hard, says },
    ...{ floor, level, evidence, samples },
    onset: verdict.onset ?? verdict.at,
    detectedAt: verdict.at,
  };
}

/** Whether damage to one of the two may reach the other. */
export function isRelated(config: Config, one: string, other: string): boolean {
  return reachedFrom(config, one).includes(other) || reachedFrom(config, other).includes(one);
}

async function findOpen(tx: Query, config: Config, symptom: Symptom): Promise<Stored | null> {
  const open = await incidentsIn(tx, joinable);
  const signature = signatureOf(symptom);
  const [same] = await tx<{ incident: IncidentId }[]>`
    select s.incident from incident_symptoms s
    where s.signature = ${signature} and s.incident = any(${open.map(({ incident }) => incident.id)})
    limit 1`;
  const found = open.find(({ incident }) =>
    same === undefined
      ? !isForPerson(incident.kind) && belongs(config, incident, symptom)
      : incident.id === same.incident,
  );
  return found ?? null;
}

function belongs(config: Config, incident: Incident, symptom: Symptom): boolean {
  if (incident.service === symptom.service) return true;
  const apartMs = Math.abs(symptom.onset.getTime() - incident.onset.getTime());
  return apartMs <= joinWithinMs && isRelated(config, incident.service, symptom.service);
}

async function join(tx: Query, deps: MoveDeps, stored: Stored, symptom: Symptom): Promise<Noticed> {
  const { incident } = stored;
  const fresh = await putSymptom(tx, incident.id, symptom);
  if (!fresh) return { kind: "known", incident: incident.id };
  await recordEvent(tx, incident.id, {
    at: deps.world.now(),
    actor: ownName,
    event: "symptom.joined",
    text: symptom.says,
    details: { service: symptom.service, rule: symptom.rule },
    key: `symptom-${signatureOf(symptom)}`,
  });
  const upstream =
    incident.service !== symptom.service &&
    reachedFrom(deps.configuration.current(), symptom.service).includes(incident.service) &&
    !reachedFrom(deps.configuration.current(), incident.service).includes(symptom.service);
  const symptoms = await symptomsOf(tx, incident.id);
  const severity = graver(incident.severity, severityOf(symptoms));
  if (!upstream && severity === incident.severity) {
    return { kind: "joined", incident: incident.id };
  }
  await moveIncident(tx, stored, {
    ...incident,
    severity,
    ...(upstream ? { service: symptom.service, title: titleOf(symptom) } : {}),
  });
  return { kind: "joined", incident: incident.id };
}

async function open(
  tx: Query,
  deps: MoveDeps,
  verdict: Verdict,
  symptom: Symptom,
): Promise<IncidentId> {
  const { world, configuration, notifier } = deps;
  const config = configuration.current();
  const now = world.now();
  const freeze = await readFreeze(tx);
  const incident = openIncident({
    id: newId<IncidentId>(world, "inc"),
    kind: verdict.kind === "drift" ? "drift" : "regression",
    signature: signatureOf(symptom),
    severity: severityOf([symptom]),
    service: symptom.service,
    title: titleOf(symptom),
    onset: symptom.onset,
    detectedAt: symptom.detectedAt,
    openedAt: now,
  });
  const mode = modeOf(config, [symptom.service], []);
  const page = whenToPage(incident.severity, mode, freeze?.reason ?? null);
  const dueAt =
    page.kind === "unless-contained" ? new Date(now.getTime() + config.pages.containWithin) : null;
  await insertIncident(tx, incident, dueAt);
  await putSymptom(tx, incident.id, symptom);
  await recordEvent(tx, incident.id, {
    at: now,
    actor: ownName,
    event: "incident.opened",
    text: symptom.says,
    details: { service: symptom.service, rule: symptom.rule, onset: symptom.onset.toISOString() },
    key: "opened",
  });
  if (symptom.customerFacing) {
    await notifier.announce(tx, incident.id, "opened", `${incident.title}. ${symptom.says}`);
  }
  if (page.kind === "now") {
    await callPerson(tx, deps, await requireIncident(tx, incident.id), page.because);
  }
  return incident.id;
}

type PageWhen =
  | { readonly kind: "now"; readonly because: string }
  | { readonly kind: "unless-contained" | "never" };

/** Critical at once; high at once unless Lastgood may act by itself; low never. */
export function whenToPage(
  severity: Incident["severity"],
  mode: Mode,
  frozenBecause: string | null,
): PageWhen {
  if (severity === "low") return { kind: "never" };
  if (severity === "critical") return { kind: "now", because: "it is critical" };
  if (frozenBecause !== null) {
    return { kind: "now", because: `everything automatic is frozen: ${frozenBecause}` };
  }
  if (mode === "auto") return { kind: "unless-contained" };
  return { kind: "now", because: `the mode is ${mode}: Lastgood moves nothing by itself` };
}

function titleOf(symptom: Symptom): string {
  const segment = symptom.dimension === null ? "" : ` (${symptom.dimension})`;
  return `${symptom.service}: ${symptom.signal}${segment} went bad`;
}
