/**
 * Finds what did it: contrast, reruns, reports and peers are observed at the same time, and weighed
 * again whenever one of them says something new, until it is plain, or the time is up.
 *
 *     incident ─> suspects (ledger) ─┬─> contrast, reports, peers   every half second
 *                                    └─> reruns, line by line       two sandboxes at a time
 *                                              │
 *                                         table of suspects ─> judgement
 *
 *   V1. Nothing here moves the world, and nothing here decides: it returns a judgement.
 *   V2. What was rerun is in the store before it counts, so a restart repeats none of it.
 *   V3. Bounded by `splitWithin`; a bundle counts as one only when that time did not split it.
 */
import type { Mode } from "../config/config.ts";
import type { Mirrors } from "../git/mirror.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Sandboxes } from "../sandbox/sandbox.ts";
import { type Lease, requireLease } from "../store/lease.ts";
import type { World } from "../world.ts";
import type { Judgement } from "./act-ladder.ts";
import { type Line, untried, withRun } from "./bisection.ts";
import {
  type EvidenceBoard,
  ledPositions,
  lineWeights,
  servedBefore,
  type Weighing,
  weigh,
} from "./evidence-board.ts";
import { gather, type LineWork, linesOf, type Suspected, slackOf } from "./gather.ts";
import { type Investigating, type Symptom, signatureOf } from "./incident.ts";
import { isInvestigated, symptomsOf } from "./incident-store.ts";
import { ownName } from "./moves.ts";
import type { Lead, Playbooks } from "./neighbours.ts";
import { type ObserveDeps, observe, observeUntil } from "./observe.ts";
import { type Pace, pause } from "./pace.ts";
import { rerun } from "./reruns.ts";
import { witnessAt } from "./suspects.ts";
import { checkHistory, putRerun, putSuspects, rerunsOf } from "./triage-store.ts";

export interface InvestigateDeps extends ObserveDeps {
  readonly world: World;
  readonly mirrors: Mirrors;
  readonly sandboxes: Sandboxes;
  /** Makes the table of suspects of what was found; by default the room's own. Drills put wrong ones here. */
  readonly weigh?: (board: EvidenceBoard) => Weighing;
  /** What earlier incidents lead to; by default nothing does. */
  readonly playbooks?: Playbooks;
}

/** What an investigation ends with. */
export interface Finding {
  readonly symptoms: readonly Symptom[];
  readonly suspected: readonly Suspected[];
  readonly weighing: Weighing;
  readonly judgement: Judgement;
  /** Revisions that lie before the convicted one: the check's runs there tell its flake rate. */
  readonly knownGood: readonly string[];
  /** When the last sandbox of its reruns is gone. */
  readonly closed: Promise<void>;
  /** Of what did it, where that has one: the stricter of it and the modes of the house counts. */
  readonly mode?: Mode;
}

export async function investigate(
  deps: InvestigateDeps,
  incident: Investigating,
  lease: Lease,
  stopping: AbortSignal,
): Promise<Finding> {
  const { db, configuration, world } = deps;
  const weighed = deps.weigh ?? weigh;
  const config = configuration.current();
  const over = new AbortController();
  const deadline = AbortSignal.timeout(config.triage.splitWithin);
  const signal = AbortSignal.any([stopping, deadline, over.signal]);
  const { service, onset } = incident;
  const suspected = await gatherPatiently(deps, incident, signal);
  const symptoms = await symptomsOf(db, incident.id);
  const board: EvidenceBoard = {
    suspected,
    contrasts: new Map(),
    reporters: new Map(),
    reruns: new Map(),
    peers: { watched: 0, showing: [] },
    onset,
    slackMs: slackOf(config, service),
  };
  const closing: Promise<void>[] = [];
  const thresholds = config.triage;
  const isPlain = () => weighed(board).judge(thresholds, false).rung === "act";
  const record = async () => {
    const { rows, assessment } = weighed(board);
    await db.begin(async (tx) => {
      await requireLease(tx, lease);
      // Decided meanwhile, as by the dial's own comparison, it keeps the table that it was decided by.
      if (!(await isInvestigated(tx, incident.id))) return;
      await putSuspects(tx, incident.id, rows, assessment.none, world.now());
    });
  };

  const leading = deps.playbooks?.leads(
    incident.id,
    symptoms.map(signatureOf),
    suspected.map(({ change }) => change),
  );
  await observe(deps, incident, board, symptoms);
  await record();
  await tellSuspects(deps, incident, suspected);
  const learned = () => {
    if (isPlain()) over.abort();
  };
  const sides = await Promise.allSettled([
    untilOver(over, () =>
      observeUntil(deps, incident, board, symptoms, signal, async () => {
        learned();
        await record();
      }),
    ),
    untilOver(over, async () => {
      await rerunLines(deps, incident, board, lease, signal, { learned, closing, leading });
      if (isPlain()) return;
      await waitForRest(board, deps.pace, over.signal, AbortSignal.any([stopping, deadline]));
    }),
  ]);
  const broken = sides.find((side) => side.status === "rejected");
  const closed = Promise.all(closing).then(() => {});
  // The caller awaits it once the decision is on record.
  closed.catch(() => {});
  if (broken !== undefined || stopping.aborted) {
    await closed;
    throw broken?.reason ?? stopping.reason;
  }
  const weighing = weighed(board);
  const judgement = weighing.judge(thresholds, true);
  const knownGood = goodBefore(board, judgement);
  return { symptoms, suspected, weighing, judgement, knownGood, closed };
}

/** Runs one side of the investigation; when it ends, or breaks, so does the other. */
async function untilOver(over: AbortController, side: () => Promise<void>): Promise<void> {
  try {
    await side();
  } finally {
    over.abort();
  }
}

/** Looks again for a few seconds while there is nobody to suspect: the ledger may be a moment behind. */
async function gatherPatiently(
  { db, world, configuration, pace }: InvestigateDeps,
  { service, onset }: Investigating,
  signal: AbortSignal,
): Promise<readonly Suspected[]> {
  const until = performance.now() + pace.lateLedgerMs;
  for (;;) {
    const config = configuration.current();
    const found = await gather(db, config, { service, onset, asOf: world.now() });
    if (found.length > 0 || performance.now() >= until || signal.aborted) return found;
    await pause(pace.observeEveryMs, signal);
  }
}

/** Reruns the lines one after the other, the nearest service's first. */
async function rerunLines(
  deps: InvestigateDeps,
  incident: Investigating,
  board: EvidenceBoard,
  lease: Lease,
  signal: AbortSignal,
  {
    learned,
    closing,
    leading,
  }: {
    readonly learned: () => void;
    readonly closing: Promise<void>[];
    readonly leading: Promise<readonly Lead[]> | undefined;
  },
): Promise<void> {
  const { configuration } = deps;
  const [{ lines, without }, leads = []] = await Promise.all([
    linesOf(configuration.current(), deps, incident.service, board.suspected),
    leading,
  ]);
  for (const reason of without) await tellRerun(deps, incident, reason);
  const starts = await Promise.all(lines.map((work) => startOf(deps, incident, board, work)));
  for (const { work, line } of starts) board.reruns.set(work, line);
  learned();
  for (const { work, line } of starts) {
    if (signal.aborted) return;
    const end = await rerun({
      service: work.service,
      revisions: [work.line.base, ...work.line.revisions],
      line,
      servedBefore: servedBefore(board, work),
      sandboxes: deps.sandboxes,
      weights: () => lineWeights(board, work),
      leads: ledPositions(board, work, leads),
      signal,
      async onRun(position, run) {
        await deps.db.begin(async (tx) => {
          await requireLease(tx, lease);
          await putRerun(tx, incident.id, work.repository, run);
        });
        board.reruns.set(work, withRun(board.reruns.get(work) ?? line, position, run.outcome));
        learned();
      },
    });
    closing.push(end.closed);
    if (end.why === "no-sandbox") await tellRerun(deps, incident, end.says);
  }
}

/** The line with what an investigation that was cut off had already rerun (V2). */
async function startOf(
  { db }: InvestigateDeps,
  { id }: Investigating,
  board: EvidenceBoard,
  work: LineWork,
): Promise<{ work: LineWork; line: Line }> {
  const revisions = [work.line.base, ...work.line.revisions];
  const history = await checkHistory(db, work.service);
  let line: Line = {
    tallies: revisions.map((revision) =>
      // Nothing can be run before a root commit: asked often enough, it says.
      revision === null ? { ...untried, cannotTell: 2 } : untried,
    ),
    history,
    weights: lineWeights(board, work),
  };
  for (const run of await rerunsOf(db, id)) {
    const position = run.service === work.service ? revisions.indexOf(run.revision) : -1;
    if (position >= 0) line = withRun(line, position, run.outcome);
  }
  return { work, line };
}

/**
 * After the reruns: as long as contrast is all that a rerun's suspect still lacks, the whole time that is
 * left; otherwise only until the observations have settled.
 */
async function waitForRest(
  board: EvidenceBoard,
  { settleMs, observeEveryMs }: Pace,
  over: AbortSignal,
  bound: AbortSignal,
): Promise<void> {
  const until = performance.now() + settleMs;
  while (!over.aborted && !bound.aborted) {
    const [top] = weigh(board).assessment.suspects;
    const lacksContrast =
      top !== undefined && top.factors.rerun >= witnessAt && top.factors.contrast < witnessAt;
    if (!lacksContrast && performance.now() >= until) return;
    await pause(observeEveryMs, AbortSignal.any([over, bound]));
  }
}

function goodBefore(board: EvidenceBoard, judgement: Judgement): readonly string[] {
  const [guilty, ...others] = judgement.changes;
  if (judgement.rung !== "act" || guilty === undefined || others.length > 0) return [];
  const commit = board.suspected.find(({ change }) => change.id === guilty)?.change.to ?? "";
  return [...board.reruns.keys()].flatMap(({ line }) => {
    const at = line.suspects.findIndex((held) => held.includes(commit));
    const before = at < 0 ? [] : [line.base, ...line.revisions.slice(0, at)];
    return before.filter((revision) => revision !== null);
  });
}

async function tellSuspects(
  { db, world }: InvestigateDeps,
  { id }: Investigating,
  suspected: readonly Suspected[],
): Promise<void> {
  const agents = [...new Set(suspected.map(({ change }) => change.agent))];
  await recordEvent(db, id, {
    at: world.now(),
    actor: ownName,
    event: "suspects.found",
    text:
      suspected.length === 0
        ? "nothing that could reach it went live before it began"
        : `${suspected.length} change${suspected.length === 1 ? "" : "s"} by ${agents.join(", ")}`,
    details: { changes: suspected.map(({ change }) => change.id) },
    key: `suspects-${suspected.length}`,
  });
}

async function tellRerun(
  { db, world }: InvestigateDeps,
  { id }: Investigating,
  text: string,
): Promise<void> {
  await recordEvent(db, id, {
    at: world.now(),
    actor: ownName,
    event: "rerun.impossible",
    text,
    key: `rerun-${text.slice(0, 200)}`,
  });
}
