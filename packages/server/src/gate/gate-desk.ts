/**
 * The gate's desk: candidates are brought to it, and leave it with a verdict.
 *
 *   D3. What a candidate scored and what it failed is recorded on the release, whatever the verdict.
 *   D4. The same run again, while it runs, is that run.
 */
import type { CheckResult, GateRun } from "@lastgood/sdk";
import type { BankCheck } from "../checks/check.ts";
import { Fault } from "../fault.ts";
import { findPin } from "../releases/pin-store.ts";
import type { Score } from "../releases/release.ts";
import { insertScores, requireRelease } from "../releases/release-store.ts";
import { newId } from "../world.ts";
import type { GateVerdict } from "./gate.ts";
import { endRun, findRunning, type Run, requireRun } from "./gate-store.ts";
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
import type { RunKeeper } from "./run-keeper.ts";

export interface GateDeskDeps extends ExamineDeps {
  readonly runs: RunKeeper;
  /** Null: there is nobody yet to call. */
  callPerson(): CallPerson | null;
}

export interface StartRun {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly only: readonly string[] | null;
  readonly by: string;
}

export interface GateDesk {
  /**
   * Judges a candidate to the end. Where lastgood.yaml does not say how a release of the artifact is asked, and
   * no check is about it, there is no gate: it promotes, and says that nothing was checked.
   */
  judge(asked: Asked, progress: (says: string) => void, signal: AbortSignal): Promise<GateVerdict>;
  /** Begins a run in the background. Faults `not_found`, `state_forbids`. */
  start(wanted: StartRun): Promise<GateRun>;
}

const ownName = "gate";

export function createGateDesk(deps: GateDeskDeps): GateDesk {
  const { db, world, runs } = deps;
  const runOf = (asked: Asked, only: Run["only"], by: string): Run => {
    const { environment, artifact, candidate, live } = asked;
    const id = newId<string>(world, "gate");
    return { id, environment, artifact, candidate, live, only, by, startedAt: world.now() };
  };
  return {
    async judge(asked, progress, signal) {
      const settings = await settingsFor(deps, asked.artifact);
      if (settings === null) return await ungated(deps, asked.artifact);
      const run = runOf(asked, null, "rollout");
      const work = async (note: Tell, aborted: AbortSignal) => {
        const tell: Tell = (now) => {
          note(now);
          progress(`${now.done} of ${now.total}: ${now.says}`);
        };
        return await examine(deps, settings, asked, tell, aborted);
      };
      // Whoever asked calls a person where it froze.
      const finish = (examined: Examined) => record(deps, run, examined, null);
      return (await runs.keep(run, work, finish, signal)).verdict;
    },
    async start({ environment, artifact, version, only, by }) {
      await requireRelease(db, artifact, version);
      const settings = await settingsFor(deps, artifact);
      if (settings === null) throw notDeclared(artifact);
      const chosen = only === null ? null : await chosenChecks(deps, artifact, only);
      const same = { environment, artifact, candidate: version, only };
      const already = await findRunning(db, same, world.now());
      if (already !== null) return already;
      const live = await liveBeside(deps, environment, artifact, version);
      const run = runOf({ environment, artifact, candidate: version, live }, only, by);
      if (chosen === null) {
        const work = (tell: Tell, signal: AbortSignal) =>
          examine(deps, settings, run, tell, signal);
        await runs.begin(run, work, (examined) => recordAndCall(deps, run, examined));
      } else {
        const release = { artifact, version };
        const work = (tell: Tell, signal: AbortSignal) =>
          tryChecks(deps, settings, release, chosen, counted(chosen, tell), signal);
        const finish = (checks: readonly CheckResult[]) =>
          endRun(db, run.id, { verdict: null, shadow: null, checks }, world.now());
        await runs.begin(run, work, finish);
      }
      return await requireRun(db, run.id, world.now());
    },
  };
}

function counted(checks: readonly BankCheck[], tell: Tell): (says: string) => void {
  const total = checks.reduce((sum, check) => sum + check.cases.length, 0);
  let done = 0;
  return (says) => tell({ done: ++done, total, says });
}

async function recordAndCall(deps: GateDeskDeps, run: Run, examined: Examined): Promise<void> {
  const { verdict } = examined;
  const call = verdict.kind === "freeze" ? deps.callPerson() : null;
  const incident = (await call?.({ ...run, run: run.id, because: verdict.because })) ?? null;
  await record(deps, run, examined, incident);
}

/** D3. */
async function record(
  { db, world }: GateDeskDeps,
  { id, artifact, candidate }: Run,
  { verdict, shadow, checks }: Examined,
  incident: string | null,
): Promise<void> {
  const at = world.now();
  await db.begin(async (tx) => {
    await insertScores(tx, { artifact, version: candidate }, scoresOf(verdict, checks, at));
    await endRun(tx, id, { verdict: { ...verdict, incident }, shadow, checks }, at);
  });
}

/** Each check by its own name, with why it failed. */
function scoresOf(
  { scores, kind, because }: GateVerdict,
  checks: readonly CheckResult[],
  at: Date,
): readonly Score[] {
  const told = { by: ownName, at };
  const note = `${kind}: ${because}`.slice(0, 2_000);
  return [
    ...scores.map((score) => ({ ...score, ...told, note })),
    ...checks.map(({ check, outcome, passed, cases, says }) => ({
      name: `check.${check.replaceAll("/", ".")}`,
      value: cases === 0 ? 0 : passed / cases,
      ...told,
      note: `${outcome}: ${says}`.slice(0, 2_000),
    })),
  ];
}

async function chosenChecks(
  { checks: { bank } }: GateDeskDeps,
  artifact: string,
  only: readonly string[],
): Promise<readonly BankCheck[]> {
  const found = await Promise.all(only.map(async (name) => (await bank.find(name)).check));
  const other = found.find((check) => check.artifact !== artifact);
  if (other === undefined) return found;
  throw new Fault(
    "bad_input",
    `The check ${other.name} is about ${other.artifact}, and not about ${artifact}: name a release of that.`,
    { context: { path: "only" } },
  );
}

/** What serves most of the keys beside the candidate. */
async function liveBeside(
  { db }: GateDeskDeps,
  environment: string,
  artifact: string,
  candidate: string,
): Promise<string | null> {
  const pin = await findPin(db, environment, artifact);
  const others = pin?.shares.filter(({ version }) => version !== candidate) ?? [];
  return others.toSorted((one, other) => other.share - one.share)[0]?.version ?? null;
}

async function ungated({ checks }: GateDeskDeps, artifact: string): Promise<GateVerdict> {
  const { checks: about, faulty } = await checks.bank.read(artifact);
  const count = about.length + faulty.filter((each) => each.artifact === artifact).length;
  const missing = `lastgood.yaml does not say how a release of ${artifact} is asked (gate.${artifact}.run)`;
  const nothing = { scores: [], failed: [] };
  if (count === 0) {
    const because = `${missing}, so nothing was checked before its first traffic`;
    return { kind: "promote", because, ...nothing };
  }
  const because = `${missing}, so the checks of the bank that are about it (${count}) cannot be run: say how`;
  return { kind: "refuse", because, ...nothing };
}
