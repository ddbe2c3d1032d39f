/**
 * Turns an incident into what is kept of it: a check that was seen red and green, and a post-mortem.
 *
 *   K1. The check is run as soon as the good revision is served, while the signals are still awaited.
 *   K2. The post-mortem is drafted when the recovery is verified, and written again when work resumed.
 *   K3. What turned out to be right may be told days later: a rollback of a release that has no accepted check is
 *       looked at again whenever more of it is known.
 *   K4. Of several servers one makes the check of an incident, and the others find it.
 */
import { hostname } from "node:os";
import type { Check, CheckEvidence, Incident, Recovery } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Bank } from "../checks/bank.ts";
import type { Configuration } from "../config/config.ts";
import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { CheckHistory } from "../sandbox/flake.ts";
import type { CheckRun, Sandboxes } from "../sandbox/sandbox.ts";
import type { Db } from "../store/database.ts";
import { type Lease, requireLease } from "../store/lease.ts";
import { newId, type World } from "../world.ts";
import { accept, shows } from "./check.ts";
import { inTurn } from "./in-turn.ts";
import { type ByHand, createLearnByHand } from "./learn-by-hand.ts";
import { checkOf, saveCheck, savePostMortem } from "./learning-store.ts";
import { toMarkdown } from "./markdown.ts";
import { type JudgedBefore, passageOf, segmentOf } from "./passage.ts";
import { writePostMortem } from "./post-mortem.ts";
import { learnFromRelease, type ReleaseWorks, truthsOf } from "./release-check.ts";
import { releasePairOf } from "./release-pair.ts";

export interface LearningDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly sandboxes: Sandboxes;
  readonly releaseWorks: ReleaseWorks;
  readonly judgedBefore: JudgedBefore;
  readonly bank: Pick<Bank, "find">;
  /** Names this process among those that share the database; by default host and process id. */
  readonly holder?: string;
  incidentOf(id: IncidentId): Promise<Incident>;
  recoveryOf(incident: IncidentId): Promise<Recovery | null>;
  /** How often the service's check passed and failed on what was known to be good. */
  checkHistory(service: string): Promise<CheckHistory>;
  /** What triage saw when it ran the check in this incident. */
  rerunsOf(incident: IncidentId): Promise<readonly Rerun[]>;
}

type Rerun = Pick<CheckRun, "service" | "revision" | "outcome">;

const checkMsMax = 120_000;
/** How long the draft waits for the check: it is due within five seconds of verified. */
const draftWaitsMs = 4_000;
const lookAgainMs = 3_000;
/** A release that could not be asked is asked again after so long. */
const tryAgainMs = 30_000;

export function createLearning(deps: LearningDeps) {
  const { db, world, log } = deps;
  const byHand: ByHand = createLearnByHand(deps);
  const holder = deps.holder ?? `${hostname()}:${process.pid}`;
  const stopping = new AbortController();
  const underWay = new Map<IncidentId, Promise<void>>();
  /** By how many right answers a release's check was tried last, and when it was looked at. */
  const tried = new Map<IncidentId, Tried>();

  /** Runs the check in the background; `written` waits for it. Once per incident (but K3). */
  function beginCheck(incident: IncidentId, again = false): void {
    if (underWay.has(incident)) return;
    const turn = { name: `learning:${incident}`, holder, waitMs: checkMsMax };
    const running = inTurn(db, turn, stopping.signal, (lease, signal) =>
      makeCheck(deps, incident, tried, { lease, signal }),
    )
      .then((made) => (made && again ? write(incident, false) : undefined))
      .catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        // Said in the post-mortem as "no check"; the log keeps the cause.
        log.error({ err: error, incident }, "the check of an incident could not be made");
      })
      .finally(() => underWay.delete(incident));
    underWay.set(incident, running);
  }

  /** Writes the post-mortem from the records as they are now. */
  async function write(incident: IncidentId, draft: boolean): Promise<void> {
    const [record, recovery, check] = await Promise.all([
      deps.incidentOf(incident),
      deps.recoveryOf(incident),
      checkOf(db, incident),
    ]);
    const at = world.now();
    const passage = await passageOf(deps, record, recovery);
    const records = { incident: record, recovery, check, passage, draft };
    const report = writePostMortem({ ...records, writtenAt: at });
    await savePostMortem(db, report, toMarkdown(report), at);
    await recordEvent(db, incident, {
      at,
      actor: "lastgood",
      event: "post-mortem.written",
      text: `lastgood incident post-mortem ${incident}`,
      key: "post-mortem",
    });
  }

  async function finish(incident: IncidentId): Promise<void> {
    if ((await checkOf(db, incident))?.accepted !== true) {
      beginCheck(incident);
      await underWay.get(incident);
    }
    // A check that was ended by a stop is not the last word: the next start makes it.
    stopping.signal.throwIfAborted();
    await write(incident, false);
  }

  async function wanting(incident: IncidentId): Promise<string | null> {
    const check = await checkOf(db, incident);
    if (check?.accepted === true) {
      tried.delete(incident);
      return null;
    }
    const last = tried.get(incident);
    if (last !== undefined && performance.now() - last.at >= lookAgainMs) {
      beginCheck(incident, true);
    }
    const because =
      check === null ? "no check could be run" : `its check was not accepted: ${check.because}`;
    return `${because}; give a reason for none with \`lastgood incident close ${incident} "why"\``;
  }

  return {
    /** Without an incident. */
    byHand,
    beginCheck,
    finish,
    /**
     * An incident with a rollback closes only with a gap and a check, or an operator's reason for none: a check that
     * was seen red and green is the gap as well, and such a reason where nobody named one.
     */
    wanting,
    /** Drafted within seconds: a check that takes longer is added when the work has resumed. */
    async draft(incident: IncidentId): Promise<void> {
      await Promise.race([underWay.get(incident), after(draftWaitsMs)]);
      stopping.signal.throwIfAborted();
      await write(incident, true);
    },
    /** It was no recovery that took the release back, so nothing was written yet. */
    async wantingByHand(incident: IncidentId): Promise<string | null> {
      const pair = await releasePairOf(db, await deps.incidentOf(incident), null);
      if (pair === null) return null;
      if (!tried.has(incident)) await finish(incident);
      return await wanting(incident);
    },
    async stop(): Promise<void> {
      stopping.abort(new Error("the server stops"));
      await Promise.all([byHand.stop(), ...underWay.values()]);
    },
  };
}

export type Learning = ReturnType<typeof createLearning>;

interface Tried {
  readonly truths: number;
  readonly at: number;
}

/** K4. */
interface OwnTurn {
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

/** Whether there is a check that was not there before. */
async function makeCheck(
  deps: LearningDeps,
  incident: IncidentId,
  tried: Map<IncidentId, Tried>,
  turn: OwnTurn,
): Promise<boolean> {
  const { db, world, releaseWorks } = deps;
  const known = await checkOf(db, incident);
  if (known?.accepted === true) return false;
  const [record, recovery] = await Promise.all([
    deps.incidentOf(incident),
    deps.recoveryOf(incident),
  ]);
  const revisions = revisionsOf(recovery);
  const pair = revisions === null ? await releasePairOf(db, record, recovery) : null;
  if (pair === null) return known === null && (await checkCode(deps, record, revisions, turn));
  const truths = await truthsOf(releaseWorks, pair);
  const before = tried.get(incident);
  if (before?.truths === truths) {
    tried.set(incident, { truths, at: performance.now() });
    return false;
  }
  tried.set(incident, { truths: before?.truths ?? -1, at: performance.now() + tryAgainMs });
  const lesson = { pair, incident, segment: segmentOf(record) };
  const signal = AbortSignal.any([turn.signal, AbortSignal.timeout(checkMsMax)]);
  const check = await learnFromRelease(releaseWorks, world, lesson, signal);
  tried.set(incident, { truths, at: performance.now() });
  if (known?.because === check.because) return false;
  await keep(deps, turn, check);
  return true;
}

/** Refused (`fenced`) where another server has the turn meanwhile. */
async function keep({ db, world }: LearningDeps, { lease }: OwnTurn, check: Check): Promise<void> {
  await db.begin(async (tx) => {
    await requireLease(tx, lease);
    await saveCheck(tx, check, world.now());
  });
}

/** Runs the failing service's check on the reverted commit and on what serves instead. */
async function checkCode(
  deps: LearningDeps,
  { id, symptoms }: Incident,
  pair: ReturnType<typeof revisionsOf>,
  turn: OwnTurn,
): Promise<boolean> {
  const { world, configuration, sandboxes } = deps;
  // It is the incident's own id, as the API shows it.
  const incident = id as IncidentId;
  const services = configuration.current().services;
  const service = symptoms
    .map((symptom) => symptom.service)
    .find((name) => services[name]?.repository === pair?.repository && sandboxes.declared(name));
  if (pair === null || service === undefined) return false;
  const signal = AbortSignal.any([turn.signal, AbortSignal.timeout(checkMsMax)]);
  const known = await deps.checkHistory(service);
  const seen = (await deps.rerunsOf(incident)).filter((run) => run.service === service);
  const runUntil = async (wanted: "bad" | "good") => {
    const before = seen.filter(({ revision }) => revision === pair[wanted]);
    await using sandbox = await sandboxes.open(service, pair[wanted], signal, pair.good);
    const runs: CheckRun[] = [];
    do runs.push(await sandbox.check(signal));
    while (runs.length < runsMax && !shows([...before, ...runs], wanted, known));
    return { runs, all: [...before, ...runs] };
  };
  const [bad, good] = await Promise.all([runUntil("bad"), runUntil("good")]);
  const check: Check = {
    id: newId<string>(world, "chk"),
    incident,
    service,
    command: services[service]?.sandbox?.check ?? [],
    badRevision: pair.bad,
    goodRevision: pair.good,
    ...accept(bad.all, good.all, known),
    runs: [...bad.runs, ...good.runs].map(evidenceOf),
  };
  await keep(deps, turn, check);
  return true;
}

function revisionsOf(recovery: Recovery | null) {
  const revert = recovery?.steps.find((step) => step.layer === "code")?.action as
    | { repository: string; commits: readonly string[]; to: string }
    | undefined;
  const bad = revert?.commits[0];
  return revert === undefined || bad === undefined
    ? null
    : { repository: revert.repository, bad, good: revert.to };
}

const runsMax = 12;

function evidenceOf({ service: _, startedAt, ...run }: CheckRun): CheckEvidence {
  return { ...run, startedAt: startedAt.toISOString() };
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
