/**
 * A regression opens an incident, or joins the open one that it belongs to.
 *
 *   O1. The same signature (service, rule, segment; of a release also its rollout) never has two open incidents.
 *   O2. Whom it joins is said in joining.ts.
 *   O3. Who joins upstream of the incident's service becomes its service: the cause is nearer to it.
 *   O4. A regression that began before the incident with its signature was verified is its echo.
 *   O5. A release's drift that a person dismissed is not opened again while it lasts.
 *   O6. What regresses ends a drift: the incident is looked into as a regression, at once.
 */
import type { Mode } from "../config/config.ts";
import { reachedFrom } from "../config/graph.ts";
import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Verdict } from "../signals/verdict.ts";
import type { Query } from "../store/database.ts";
import { newId } from "../world.ts";
import { readFreeze } from "./freeze.ts";
import {
  beginInvestigation,
  type Incident,
  openIncident,
  type Symptom,
  signatureOf,
} from "./incident.ts";
import {
  insertIncident,
  lastDismissedWith,
  lastVerifiedWith,
  lockOpening,
  markPageDue,
  moveIncident,
  putSymptom,
  requireIncident,
  type Stored,
  symptomsOf,
} from "./incident-store.ts";
import { type Arriving, type Dialled, joined, type Open } from "./joining.ts";
import { acquit, readOpen, toldOf } from "./joining-store.ts";
import { modeOf } from "./modes.ts";
import { callPerson, type MoveDeps, ownName } from "./moves.ts";
import type { SignalSource } from "./neighbours.ts";
import { graver, severityOf } from "./severity.ts";

export type Noticed =
  | { readonly kind: "opened" | "joined" | "known"; readonly incident: IncidentId }
  | { readonly kind: "echo" | "dismissed" | "well" };

export interface NoticeDeps extends MoveDeps {
  readonly signals: SignalSource;
}

/** Takes in one verdict, in one transaction; of a release where its dial says it. */
export async function notice(
  deps: NoticeDeps,
  verdict: Verdict,
  release: Dialled | null = null,
): Promise<Noticed> {
  const { kind } = verdict;
  if (kind !== "regression" && kind !== "drift") return { kind: "well" };
  const symptom = symptomOf(verdict);
  const arriving: Arriving = { symptom, kind, release };
  return await deps.db.begin(async (tx) => {
    await lockOpening(tx);
    const noticed = await take(tx, deps, arriving);
    if ("incident" in noticed && release !== null && kind === "drift") {
      await acquit(tx, noticed.incident, release, deps.world.now());
    }
    return noticed;
  });
}

async function take(tx: Query, deps: NoticeDeps, arriving: Arriving): Promise<Noticed> {
  const { symptom } = arriving;
  const open = await readOpen(tx, deps.signals, arriving);
  const found = joined(deps.configuration.current(), open, arriving);
  if (found !== null) return await join(tx, deps, found.id, arriving, open);
  if (await isDismissed(tx, arriving)) return { kind: "dismissed" };
  const over = await lastVerifiedWith(tx, signatureOf(symptom));
  if (over !== null && symptom.onset <= over.verifiedAt) return { kind: "echo" };
  return { kind: "opened", incident: await openNew(tx, deps, arriving, open) };
}

/** O5. */
async function isDismissed(tx: Query, { symptom, kind, release }: Arriving): Promise<boolean> {
  if (release === null || kind !== "drift") return false;
  const at = await lastDismissedWith(tx, signatureOf(symptom));
  return at !== null && symptom.onset <= at;
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

async function join(
  tx: Query,
  deps: NoticeDeps,
  id: IncidentId,
  { symptom, kind, release }: Arriving,
  open: readonly Open[],
): Promise<Noticed> {
  const stored = await requireIncident(tx, id);
  const { incident } = stored;
  const told = open.find((each) => each.incident.id === id)?.releases ?? [];
  const isTold = release === null || told.some(({ rollout }) => rollout === release.rollout);
  const fresh = await putSymptom(tx, id, symptom);
  const isEnded = incident.kind === "drift" && kind === "regression";
  if (!fresh && isTold && !isEnded) return { kind: "known", incident: id };
  const signature = signatureOf(symptom);
  await recordEvent(tx, id, {
    at: deps.world.now(),
    actor: ownName,
    event: isEnded ? "drift.ended" : "symptom.joined",
    text: isEnded ? `it is no drift any more: ${symptom.says}` : symptom.says,
    details: { service: symptom.service, rule: symptom.rule, ...toldOf(release) },
    key: `${isEnded ? "regressed" : "symptom"}-${signature}${isTold ? "" : `-${release?.rollout}`}`,
  });
  const next = joinedBy(deps, incident, symptom, await symptomsOf(tx, id));
  const now = isEnded ? regressed(next) : next;
  if (now === incident) return { kind: "joined", incident: id };
  const moved = await moveIncident(tx, stored, now);
  if (incident.severity === "low" && now.severity !== "low" && now.containedAt === null) {
    await callByMode(tx, deps, moved);
  }
  return { kind: "joined", incident: id };
}

/** O3. */
function joinedBy(
  { configuration }: NoticeDeps,
  incident: Incident,
  symptom: Symptom,
  symptoms: readonly Symptom[],
): Incident {
  const config = configuration.current();
  const upstream =
    incident.service !== symptom.service &&
    reachedFrom(config, symptom.service).includes(incident.service) &&
    !reachedFrom(config, incident.service).includes(symptom.service);
  const severity = graver(incident.severity, severityOf(symptoms));
  if (!upstream && severity === incident.severity) return incident;
  const nearer = upstream ? { service: symptom.service, title: titleOf(symptom) } : {};
  return { ...incident, severity, ...nearer };
}

/** O6. */
function regressed(incident: Incident): Incident {
  const now: Incident = { ...incident, kind: "regression" };
  return now.state === "decided" && now.decision.act === "none" ? beginInvestigation(now) : now;
}

async function openNew(
  tx: Query,
  deps: NoticeDeps,
  { symptom, kind, release }: Arriving,
  open: readonly Open[],
): Promise<IncidentId> {
  const { world, notifier } = deps;
  const now = world.now();
  const id = newId<IncidentId>(world, "inc");
  const incident = openIncident({
    ...{ id, kind, signature: signatureFor(id, symptom, release, open) },
    severity: severityOf([symptom]),
    service: symptom.service,
    title: titleOf(symptom),
    onset: symptom.onset,
    detectedAt: symptom.detectedAt,
    openedAt: now,
  });
  await insertIncident(tx, incident, null);
  await putSymptom(tx, id, symptom);
  const { service, rule, onset } = symptom;
  await recordEvent(tx, id, {
    at: now,
    actor: ownName,
    event: "incident.opened",
    text: symptom.says,
    details: { service, rule, onset: onset.toISOString(), ...toldOf(release) },
    key: "opened",
  });
  if (symptom.customerFacing) {
    await notifier.announce(tx, id, "opened", `${incident.title}. ${symptom.says}`);
  }
  await callByMode(tx, deps, await requireIncident(tx, id));
  return id;
}

/** O1. The id makes it one of its own where the one that has it was decided to be something else. */
function signatureFor(
  id: IncidentId,
  symptom: Symptom,
  release: Dialled | null,
  open: readonly Open[],
): string {
  if (release === null) return signatureOf(symptom);
  const signature = `${signatureOf(symptom)}/${release.rollout}`;
  const isTaken = open.some(({ incident }) => incident.signature === signature);
  return isTaken ? `${signature}/${id}` : signature;
}

async function callByMode(tx: Query, deps: NoticeDeps, stored: Stored): Promise<void> {
  const { incident } = stored;
  const config = deps.configuration.current();
  const freeze = await readFreeze(tx);
  const mode = modeOf(config, [incident.service], []);
  const page = whenToPage(incident.severity, mode, freeze?.reason ?? null);
  if (page.kind === "now") await callPerson(tx, deps, stored, page.because);
  if (page.kind === "unless-contained") {
    const dueAt = new Date(deps.world.now().getTime() + config.pages.containWithin);
    await markPageDue(tx, incident.id, dueAt);
  }
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
