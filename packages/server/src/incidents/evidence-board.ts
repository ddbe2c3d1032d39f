/**
 * What an investigation has found so far, and what it makes of it.
 *
 *   G1. Everything is kept by change; a later observation replaces the earlier one of its kind.
 *   G2. `weigh` is pure over what was put in: the same observations give the same table.
 */
import type { ChangeId } from "../ids.ts";
import type { Change } from "../ledger/change.ts";
import { type Bundle, type Judgement, judge, type Thresholds } from "./act-ladder.ts";
import { believe, groupFactor, type Line, rerunFactors } from "./bisection.ts";
import type { LineWork, Suspected } from "./gather.ts";
import type { Contrast, Lead } from "./neighbours.ts";
import {
  type Assessment,
  assess,
  type Evidence,
  type Observed,
  weightsBeforeReruns,
  witnessesOf,
} from "./suspects.ts";
import type { SuspectRow } from "./triage-store.ts";

export interface Peers {
  readonly watched: number;
  readonly showing: readonly string[];
}

export interface EvidenceBoard {
  readonly suspected: readonly Suspected[];
  /** By the moment of exposure, in milliseconds. */
  readonly contrasts: Map<number, Contrast>;
  readonly reporters: Map<number, number>;
  readonly reruns: Map<LineWork, Line>;
  peers: Peers;
  readonly onset: Date;
  readonly slackMs: number;
}

export interface Weighing {
  readonly assessment: Assessment;
  readonly rows: readonly SuspectRow[];
  /** What is meant, were it decided now; with `whole`, unsplit bundles count too. */
  judge(thresholds: Thresholds, whole: boolean): Judgement;
}

/** The per-suspect table as it stands. */
export function weigh(board: EvidenceBoard): Weighing {
  const reruns = rerunsByChange(board);
  const evidence = board.suspected.map(
    (each): Evidence => ({
      change: each.change.id,
      exposedAt: each.exposedAt,
      distance: each.distance,
      contrast: contrastOf(board.contrasts.get(each.exposedAt.getTime())),
      rerun: reruns.get(each.change.id) ?? null,
      reporters: board.reporters.get(each.exposedAt.getTime()) ?? 0,
    }),
  );
  const assessment = assess({
    onset: board.onset,
    slackMs: board.slackMs,
    evidence,
    peersShowing: board.peers.showing,
    peers: board.peers.watched,
  });
  const byId = new Map(board.suspected.map((each) => [each.change.id, each]));
  const rows = assessment.suspects.flatMap((weighed) => {
    const found = byId.get(weighed.change);
    return found === undefined
      ? []
      : [
          {
            ...weighed,
            exposedAt: found.exposedAt,
            deploy: found.deploy,
            distance: found.distance,
          },
        ];
  });
  return {
    assessment,
    rows,
    judge: (thresholds, whole) =>
      judge(assessment, whole ? bundlesOf(board, evidence) : [], thresholds),
  };
}

/** How likely each suspect of the line is by everything but its reruns, as `Line.weights`. */
export function lineWeights(board: EvidenceBoard, work: LineWork): readonly number[] {
  const weights = weightsBeforeReruns(weigh(board).assessment);
  return work.line.suspects.map((commits) =>
    board.suspected
      .filter(({ change }) => isOn(work, commits, change))
      .reduce((sum, { change }) => sum + (weights.get(change.id) ?? 0), 0),
  );
}

/** The revisions of the line at which the leads first stand, the likeliest first. */
export function ledPositions(
  board: EvidenceBoard,
  work: LineWork,
  leads: readonly Lead[],
): readonly number[] {
  return leads
    .toSorted((one, other) => other.likeness - one.likeness)
    .flatMap((lead) => {
      const found = board.suspected.find(({ change }) => change.id === lead.change);
      const index = work.line.suspects.findIndex(
        (commits) => found !== undefined && isOn(work, commits, found.change),
      );
      return index < 0 ? [] : [index + 1];
    });
}

/** A service is calm again this long after a deploy. */
const calmMs = 60_000;

/**
 * The revision that served while all was calm: the newest of the line that was live for a while when the
 * damage began, else the first that went live, else what was before the line; null when nothing was.
 */
export function servedBefore(board: EvidenceBoard, work: LineWork): string | null {
  const { base, revisions, suspects } = work.line;
  const liveSince = suspects.map((commits) =>
    Math.max(
      ...board.suspected
        .filter(({ change }) => isOn(work, commits, change))
        .map(({ exposedAt }) => exposedAt.getTime()),
    ),
  );
  const calm = liveSince.findLastIndex((since) => since <= board.onset.getTime() - calmMs);
  const [first = 0] = liveSince;
  const alone = first < Math.max(...liveSince) ? revisions[0] : null;
  return revisions[calm] ?? alone ?? base;
}

function isOn({ repository }: LineWork, commits: readonly string[], change: Change): boolean {
  return (
    change.layer === "code" && change.target === repository && commits.includes(change.to ?? "")
  );
}

function contrastOf(contrast: Contrast | undefined): Observed | null {
  if (contrast === undefined) return null;
  const { evidence, before, after } = contrast;
  return {
    factor: evidence,
    says: `good ${share(before.mean)} of ${before.n} before it was live, ${share(after.mean)} of ${after.n} since (evidence ${shown(evidence)})`,
  };
}

function rerunsByChange(board: EvidenceBoard): ReadonlyMap<ChangeId, Observed> {
  const found = new Map<ChangeId, Observed>();
  for (const [work, line] of board.reruns) {
    if (line.tallies.every(({ good, bad }) => good + bad === 0)) continue;
    const factors = rerunFactors(line);
    for (const [index, commits] of work.line.suspects.entries()) {
      const seen = {
        factor: factors[index] ?? 1,
        says: sayReruns(line, index + 1),
      };
      for (const { change } of board.suspected) {
        if (isOn(work, commits, change)) found.set(change.id, seen);
      }
    }
  }
  return found;
}

function sayReruns(line: Line, position: number): string {
  const told = (at: number, what: string) => {
    const { good, bad, cannotTell } = line.tallies[at] ?? { good: 0, bad: 0, cannotTell: 0 };
    if (good + bad === 0) {
      return cannotTell === 0 ? `${what} not run` : `${what} could not be run`;
    }
    return `${what} failed ${bad} of ${good + bad}`;
  };
  return `rerun in a sandbox: ${told(position, "with it the check")}, ${told(position - 1, "without it")}`;
}

/** Suspects that went out in one deploy, with the witnesses against them as a whole. */
function bundlesOf(board: EvidenceBoard, evidence: readonly Evidence[]): readonly Bundle[] {
  const deploys = new Map<ChangeId, Suspected[]>();
  for (const each of board.suspected) {
    if (each.deploy === null) continue;
    deploys.set(each.deploy, [...(deploys.get(each.deploy) ?? []), each]);
  }
  return [...deploys.values()].map((members) => {
    const changes = members.map(({ change }) => change.id);
    const own = evidence.filter((each) => changes.includes(each.change));
    const contrast = own.map((each) => each.contrast).find((each) => each !== null) ?? null;
    const factor = rerunOfBundle(board, members);
    const rerun = factor === null ? null : { factor, says: "" };
    const reporters = Math.max(0, ...own.map((each) => each.reporters));
    return { changes, witnesses: witnessesOf({ contrast, rerun, reporters }) };
  });
}

/** What the reruns say of the whole bundle; null where it does not lie on one line. */
function rerunOfBundle(board: EvidenceBoard, members: readonly Suspected[]): number | null {
  for (const [work, line] of board.reruns) {
    const commits = members.map(({ change }) => change.to ?? "");
    const positions = work.line.suspects.flatMap((held, index) =>
      held.some((commit) => commits.includes(commit)) ? [index] : [],
    );
    if (positions.length > 0) return groupFactor(line, believe(line), positions);
  }
  return null;
}

function share(mean: number): string {
  return `${(mean * 100).toFixed(1)} %`;
}

function shown(evidence: number): string {
  return evidence >= 1_000 ? evidence.toExponential(1) : evidence.toFixed(1);
}
