/**
 * The gate: what a candidate must pass before it serves anybody.
 *
 *   D1. A run is written down before it begins, and its end whatever it is.
 *   D2. What it scored and what failed is recorded on the release, whatever the verdict.
 *   D3. Two runs at a time; who comes third waits. The same run again, while it runs, is that run.
 */
import type { GateVerdict as ApiVerdict, CheckResult, Evaluator, GateRun } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { BankCheck } from "../checks/check.ts";
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import { findPin } from "../releases/pin-store.ts";
import type { Score } from "../releases/release.ts";
import { insertScores, requireRelease } from "../releases/release-store.ts";
import { newId } from "../world.ts";
import type { GateVerdict } from "./gate.ts";
import { gateRoutes } from "./gate-routes.ts";
import {
  breakOff,
  endRun,
  findRunning,
  insertRun,
  noteProgress,
  type Run,
  requireRun,
} from "./gate-store.ts";
import {
  type Asked,
  type ExamineDeps,
  type Examined,
  examine,
  notDeclared,
  settingsFor,
  type Tell,
  tryChecks,
} from "./judge.ts";
import type { CallPerson } from "./neighbours.ts";

export interface GateDeps extends ExamineDeps {
  readonly log: Logger;
}

export interface StartRun {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly only: readonly string[] | null;
  readonly by: string;
}

export interface Gate {
  /**
   * Judges a candidate to the end. Where lastgood.yaml does not say how a release of the artifact is asked, and
   * no check is about it, there is no gate: it promotes, and says that nothing was checked.
   */
  judge(asked: Asked, progress: (says: string) => void, signal: AbortSignal): Promise<GateVerdict>;
  /** Begins a run in the background. Faults `not_found`, `state_forbids`. */
  start(wanted: StartRun): Promise<GateRun>;
  /** What judges its answers by what is right; null where nobody says how a release of it is asked. */
  comparedBy(artifact: string): Promise<Evaluator | null>;
  /** Runs checks that need not be in the bank against one release; null where nobody says how it is asked. */
  tryChecks(
    release: { readonly artifact: string; readonly version: string },
    checks: readonly BankCheck[],
    signal: AbortSignal,
  ): Promise<readonly CheckResult[] | null>;
  /** Who is called where a run that nobody's rollout asked for froze. */
  callThrough(callPerson: CallPerson): void;
  routes(app: App): void;
  stop(): Promise<void>;
}

const runMsMax = 3_600_000;
const atOnceMax = 2;
const noteEveryMs = 500;
const ownName = "gate";

export function createGate(deps: GateDeps): Gate {
  const { db, world, configuration, log } = deps;
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const turns = createTurns(atOnceMax);
  let callPerson: CallPerson | null = null;

  /** D1, D2. */
  async function perform<Done extends Examined | readonly CheckResult[]>(
    run: Run,
    tell: Tell,
    signal: AbortSignal,
    work: (tell: Tell, signal: AbortSignal) => Promise<Done>,
    finish: (done: Done) => Promise<void>,
  ): Promise<Done> {
    await insertRun(db, run);
    const either = AbortSignal.any([signal, stopping.signal, AbortSignal.timeout(runMsMax)]);
    const notes = createNotes(deps, run.id);
    try {
      const done = await turns.take(
        async () =>
          await work((progress) => {
            notes.tell(progress);
            tell(progress);
          }, either),
      );
      await notes.stop();
      await finish(done);
      return done;
    } catch (error) {
      await notes.stop();
      const why = error instanceof Error ? error.message : String(error);
      await breakOff(db, run.id, why, world.now());
      throw error;
    }
  }

  async function judgeRun(run: Run, tell: Tell, signal: AbortSignal, pages: boolean) {
    const settings = await settingsFor(deps, run.artifact);
    if (settings === null) throw notDeclared(run.artifact);
    return await perform(
      run,
      tell,
      signal,
      (told, aborted) => examine(deps, settings, run, told, aborted),
      async ({ verdict, shadow, checks }) => {
        const incident =
          pages && verdict.kind === "freeze" && callPerson !== null
            ? await callPerson({ ...run, run: run.id, because: verdict.because })
            : null;
        const at = world.now();
        const kept: ApiVerdict = { ...verdict, incident };
        await db.begin(async (tx) => {
          await insertScores(
            tx,
            { artifact: run.artifact, version: run.candidate },
            recordOf(verdict, checks, at),
          );
          await endRun(tx, run.id, { verdict: kept, shadow, checks }, at);
        });
      },
    );
  }

  async function chosenChecks(artifact: string, only: readonly string[]) {
    const { bank } = deps.checks;
    const found = await Promise.all(only.map(async (name) => (await bank.find(name)).check));
    const other = found.find((check) => check.artifact !== artifact);
    if (other === undefined) return found;
    throw new Fault(
      "bad_input",
      `The check ${other.name} is about ${other.artifact}, and not about ${artifact}: name a release of that.`,
      { context: { path: "only" } },
    );
  }

  async function checksRun(run: Run, only: readonly string[]): Promise<void> {
    const settings = await settingsFor(deps, run.artifact);
    if (settings === null) throw notDeclared(run.artifact);
    const checks = await chosenChecks(run.artifact, only);
    const total = checks.reduce((sum, check) => sum + check.cases.length, 0);
    await perform(
      run,
      () => {},
      stopping.signal,
      async (tell, signal) => {
        let done = 0;
        const release = { artifact: run.artifact, version: run.candidate };
        const progress = (says: string) => tell({ done: ++done, total, says });
        return await tryChecks(deps, settings, release, checks, progress, signal);
      },
      async (results) =>
        await endRun(db, run.id, { verdict: null, shadow: null, checks: results }, world.now()),
    );
  }

  function runOf(asked: Asked, only: readonly string[] | null, by: string): Run {
    const { environment, artifact, candidate, live } = asked;
    const id = newId<string>(world, "gate");
    return { id, environment, artifact, candidate, live, only, by, startedAt: world.now() };
  }

  async function liveOf(environment: string, artifact: string, candidate: string) {
    const pin = await findPin(db, environment, artifact);
    const others = pin?.shares.filter(({ version }) => version !== candidate) ?? [];
    return others.toSorted((one, other) => other.share - one.share)[0]?.version ?? null;
  }

  const gate: Gate = {
    async judge(asked, progress, signal) {
      if ((await settingsFor(deps, asked.artifact)) === null) return await ungated(asked.artifact);
      const { verdict } = await judgeRun(
        runOf(asked, null, "rollout"),
        ({ done, total, says }) => progress(`${done} of ${total}: ${says}`),
        signal,
        false,
      );
      return verdict;
    },
    async start({ environment, artifact, version, only, by }) {
      await requireRelease(db, artifact, version);
      if ((await settingsFor(deps, artifact)) === null) throw notDeclared(artifact);
      if (only !== null) await chosenChecks(artifact, only);
      const same = { environment, artifact, candidate: version, only };
      const already = await findRunning(db, same, world.now());
      if (already !== null) return already;
      const live = await liveOf(environment, artifact, version);
      const run = runOf({ environment, artifact, candidate: version, live }, only, by);
      const work =
        only === null ? judgeRun(run, () => {}, stopping.signal, true) : checksRun(run, only);
      const ended: Promise<void> = work
        .then(() => {})
        .catch((error: unknown) => {
          // It is written down as broken off, with the reason; the log keeps where.
          if (!stopping.signal.aborted)
            log.warn({ err: error, run: run.id }, "a run of the gate broke off");
        })
        .finally(() => running.delete(ended));
      running.add(ended);
      return await requireStarted(run.id);
    },
    async comparedBy(artifact) {
      return (await settingsFor(deps, artifact))?.shadow.compare ?? null;
    },
    async tryChecks(release, checks, signal) {
      const settings = await settingsFor(deps, release.artifact);
      if (settings === null) return null;
      return await tryChecks(deps, settings, release, checks, () => {}, signal);
    },
    callThrough(call) {
      callPerson = call;
    },
    routes: (app) => gateRoutes(app, { db, world, configuration, gate }),
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };

  /** Its row is written first of all, in the background. */
  async function requireStarted(id: string): Promise<GateRun> {
    for (let tries = 1; ; tries++) {
      try {
        return await requireRun(db, id, world.now());
      } catch (error) {
        if (tries >= 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async function ungated(artifact: string): Promise<GateVerdict> {
    const { checks, faulty } = await deps.checks.bank.read(artifact);
    const about = checks.length + faulty.filter((each) => each.artifact === artifact).length;
    const missing = `lastgood.yaml does not say how a release of ${artifact} is asked (gate.${artifact}.run)`;
    return about === 0
      ? {
          kind: "promote",
          because: `${missing}, so nothing was checked before its first traffic`,
          ...{ scores: [], failed: [] },
        }
      : {
          kind: "refuse",
          because: `${missing}, so the ${about} checks of the bank that are about it cannot be run: say how`,
          ...{ scores: [], failed: [] },
        };
  }

  return gate;
}

/** D2. Each check by its own name, with why it failed. */
function recordOf(
  { scores, kind, because }: GateVerdict,
  checks: readonly CheckResult[],
  at: Date,
): readonly Score[] {
  const told = { by: ownName, at };
  const note = `${kind}: ${because}`.slice(0, 2_000);
  return [
    ...scores.map((score) => ({ ...score, ...told, note })),
    ...checks.map(({ check, outcome, passed, cases, says }) => ({
      name: `check.${check.replaceAll("/", ".")}`.slice(0, 200),
      value: cases === 0 ? 0 : passed / cases,
      ...told,
      note: `${outcome}: ${says}`.slice(0, 2_000),
    })),
  ];
}

/** Writes down how far a run is, now and then, and that it lives. */
function createNotes({ db, world, log }: GateDeps, id: string) {
  let now = { done: 0, total: 0, says: "waits for its turn" };
  let writing: Promise<void> = Promise.resolve();
  const note = () => {
    writing = writing
      .then(() => noteProgress(db, id, now, world.now()))
      .catch((error: unknown) => {
        log.warn({ err: error, run: id }, "how far the gate is could not be written");
      });
  };
  let last = "";
  const timer = setInterval(() => {
    // Unchanged it is told all the same, every ten seconds, as a sign of life.
    const text = JSON.stringify([now, Math.floor(performance.now() / 10_000)]);
    if (text !== last) note();
    last = text;
  }, noteEveryMs);
  return {
    tell(progress: typeof now) {
      now = progress;
    },
    async stop() {
      clearInterval(timer);
      note();
      await writing;
    },
  };
}

/** At most `count` at once, first come first served. */
function createTurns(count: number) {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    async take<Done>(work: () => Promise<Done>): Promise<Done> {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
