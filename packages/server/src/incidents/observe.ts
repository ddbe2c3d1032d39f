import type { Configuration } from "../config/config.ts";
import type { Db } from "../store/database.ts";
import type { EvidenceBoard } from "./evidence-board.ts";
import { peersOf } from "./gather.ts";
import type { Investigating, Symptom } from "./incident.ts";
import { showingAround } from "./incident-store.ts";
import type { Contrast, SignalSource } from "./neighbours.ts";
import { type Pace, pause } from "./pace.ts";

export interface ObserveDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  readonly signals: SignalSource;
  readonly pace: Pace;
}

/** A shared cause shows everywhere within this time. */
const aroundMs = 120_000;
const exposuresObserved = 12;
const symptomsCompared = 3;

/** Observes again and again until the signal; `observed` is told after each time. */
export async function observeUntil(
  deps: ObserveDeps,
  incident: Investigating,
  board: EvidenceBoard,
  symptoms: readonly Symptom[],
  signal: AbortSignal,
  observed: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await pause(deps.pace.observeEveryMs, signal);
    if (signal.aborted) return;
    await observe(deps, incident, board, symptoms);
    await observed();
  }
}

/** Contrast and reports per moment of exposure, and what the peers show. */
export async function observe(
  { db, signals, configuration }: ObserveDeps,
  { id, service, onset }: Investigating,
  board: EvidenceBoard,
  symptoms: readonly Symptom[],
): Promise<void> {
  const compared = symptoms
    .filter((symptom) => symptom.service === service)
    .slice(0, symptomsCompared);
  const moments = [...new Set(board.suspected.map((each) => each.exposedAt.getTime()))];
  const reported = await signals.reporters(
    service,
    new Date(Math.min(...moments, onset.getTime())),
  );
  for (const moment of moments.slice(0, exposuresObserved)) {
    const exposedAt = new Date(moment);
    const contrasts = await Promise.all(
      compared.map(({ rule }) => signals.contrast(service, rule, exposedAt)),
    );
    const contrast = meanOf(contrasts.filter((each) => each !== null));
    if (contrast !== null) board.contrasts.set(moment, contrast);
    if (reported > 0) board.reporters.set(moment, await signals.reporters(service, exposedAt));
  }
  const failing = symptoms.map((each) => each.service);
  const peers = peersOf(configuration.current(), failing, board.suspected);
  const names = [...new Set(symptoms.map((each) => each.signal))];
  const showing = await showingAround(db, id, names, onset, aroundMs);
  board.peers = { watched: peers.length, showing: showing.filter((each) => peers.includes(each)) };
}

/** The mean of e-values is an e-value: several symptoms are not several chances. */
function meanOf(contrasts: readonly Contrast[]): Contrast | null {
  const strongest = contrasts.toSorted((one, other) => other.evidence - one.evidence)[0];
  if (strongest === undefined) return null;
  const sum = contrasts.reduce((total, each) => total + each.evidence, 0);
  return { ...strongest, evidence: sum / contrasts.length };
}
