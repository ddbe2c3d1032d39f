/** Examines a candidate: the bank first, then the shadow; nothing of it is served, and nothing is moved. */
import { setTimeout as pause } from "node:timers/promises";
import type { CheckResult, GateProgress, ShadowResult } from "@lastgood/sdk";
import type { Checks } from "../checks/checks.ts";
import { type Answers, runChecks } from "../checks/run-checks.ts";
import type { Configuration } from "../config/config.ts";
import { type GateSettings, gateSchema } from "../config/gate-settings.ts";
import { Fault } from "../fault.ts";
import { findArtifact, requireArtifact } from "../releases/artifact-store.ts";
import { parseBody, requireKept } from "../releases/release.ts";
import { readContent, requireRelease } from "../releases/release-store.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { answersOf } from "./answers.ts";
import type { AskedRelease } from "./asking.ts";
import { decide, type GateVerdict, type ShadowOutcome } from "./gate.ts";
import type { SeenInput, Traffic } from "./neighbours.ts";
import { nothing, runShadow } from "./shadow-run.ts";

export interface ExamineDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly checks: Pick<Checks, "bank" | "evaluators">;
  readonly traffic: Traffic;
  /** Lastgood's own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Asked {
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  /** Null: nothing is pinned yet. */
  readonly live: string | null;
}

export interface Examined {
  readonly verdict: GateVerdict;
  readonly shadow: ShadowResult | null;
  readonly checks: readonly CheckResult[];
}

export type Tell = (progress: GateProgress) => void;

/** How a release of the artifact is asked; null: nobody says how. A model that the gateway serves is asked there. */
export async function settingsFor(
  { db, configuration }: Pick<ExamineDeps, "db" | "configuration">,
  artifact: string,
): Promise<GateSettings | null> {
  const { gate, gateway } = configuration.current();
  const declared = Object.hasOwn(gate, artifact) ? gate[artifact] : undefined;
  if (declared !== undefined) return declared;
  const kind = (await findArtifact(db, artifact))?.kind;
  return kind === "model" && Object.keys(gateway.endpoints).length > 0 ? modelSettings : null;
}

const modelSettings: GateSettings | null =
  gateSchema.parse({ model: { run: { model: true }, emptyBank: "allow" } }).model ?? null;

/** Faults `not_found`, and `state_forbids` for what is retired. */
export async function answersFor(
  deps: ExamineDeps,
  settings: GateSettings,
  artifact: string,
  version: string,
): Promise<Answers> {
  const { db, configuration, environment } = deps;
  const release = await requireRelease(db, artifact, version);
  requireKept(release);
  const { kind } = await requireArtifact(db, artifact);
  const text = release.reference === null ? await readContent(db, release.digest) : null;
  const asked: AskedRelease = {
    ...{ artifact, version, kind, reference: release.reference },
    content: text === null ? undefined : parseBody(text),
  };
  const { base } = configuration;
  return answersOf(settings, asked, { base, config: configuration.current(), environment });
}

/** Runs these checks against one release. */
export async function tryChecks(
  deps: ExamineDeps,
  settings: GateSettings,
  release: { readonly artifact: string; readonly version: string },
  checks: Parameters<typeof runChecks>[0],
  progress: (says: string) => void,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const answers = await answersFor(deps, settings, release.artifact, release.version);
  const { evaluators } = deps.checks;
  const { parallel } = settings.run;
  return await runChecks(checks, answers, { evaluators, parallel, progress, signal });
}

export async function examine(
  deps: ExamineDeps,
  settings: GateSettings,
  asked: Asked,
  tell: Tell,
  signal: AbortSignal,
): Promise<Examined> {
  const { artifact, candidate, live } = asked;
  const { checks: known, faulty } = await deps.checks.bank.read(artifact);
  const bank = known.filter((check) => check.artifact === artifact);
  const cases = bank.reduce((sum, check) => sum + check.cases.length, 0);
  const inputs = live === null ? [] : await inputsFor(deps, settings, asked, tell, signal);
  const progress = counting(cases + inputs.length, tell);
  const release = { artifact, version: candidate };
  const checks = await tryChecks(deps, settings, release, bank, progress, signal);
  const open = checks.filter(({ outcome }) => outcome !== "passed").map(({ check }) => check);
  const again = bank.filter(({ name }) => open.includes(name));
  const before =
    live === null || again.length === 0
      ? []
      : await tryChecks(deps, settings, { artifact, version: live }, again, () => {}, signal);
  const shadow = await shadowOf(deps, settings, asked, inputs, progress, signal);
  const liveChecks = new Map(before.map((result) => [result.check, result]));
  const { emptyBank } = settings;
  const verdict = decide({ candidate, live, emptyBank, faulty, checks, liveChecks, shadow });
  return { verdict, checks, shadow: shadow?.kind === "compared" ? shadow.result : null };
}

function counting(total: number, tell: Tell): (says: string) => void {
  let done = 0;
  tell({ done, total, says: "begun" });
  return (says) => {
    done += 1;
    tell({ done, total, says });
  };
}

async function shadowOf(
  deps: ExamineDeps,
  settings: GateSettings,
  { artifact, candidate, live }: Asked,
  inputs: readonly SeenInput[],
  progress: (says: string) => void,
  signal: AbortSignal,
): Promise<ShadowOutcome | null> {
  const { inputs: wanted, from: source } = settings.shadow;
  if (wanted === 0) return null;
  if (live === null) {
    return nothing("nothing is pinned that it could be compared with in shadow", false);
  }
  if (inputs.length === 0) {
    const says =
      source === "live"
        ? "no live inputs came, so nothing was compared in shadow"
        : "no inputs are recorded, so nothing was compared in shadow: keep them with gateway.record, or as `input` of executions";
    return nothing(says, false);
  }
  return await runShadow({
    ...{ settings, source, inputs, progress, signal },
    live: { version: live, answers: await answersFor(deps, settings, artifact, live) },
    candidate: await answersFor(deps, settings, artifact, candidate),
    evaluators: deps.checks.evaluators,
  });
}

const lookEveryMs = 250;

async function inputsFor(
  { traffic, world }: ExamineDeps,
  { shadow }: GateSettings,
  { artifact }: Asked,
  tell: Tell,
  signal: AbortSignal,
): Promise<readonly SeenInput[]> {
  const { inputs: wanted, from, within } = shadow;
  if (wanted === 0) return [];
  if (from === "recorded") return await traffic.recentInputs(artifact, wanted);
  const since = world.now();
  const deadline = performance.now() + within;
  for (;;) {
    const recent = await traffic.recentInputs(artifact, wanted);
    const fresh = recent.filter(({ begunAt }) => begunAt >= since);
    if (fresh.length >= wanted || performance.now() >= deadline) return fresh;
    tell({ done: fresh.length, total: wanted, says: `waits for live inputs of ${artifact}` });
    await pause(lookEveryMs, undefined, { signal });
  }
}

/** Faults `state_forbids` where nobody says how a release of it is asked. */
export function notDeclared(artifact: string): Fault {
  return new Fault(
    "state_forbids",
    `lastgood.yaml does not say how a release of ${artifact} is asked: set gate.${artifact}.run to a command, an http address, or model: true.`,
    { context: { path: `gate.${artifact}.run` } },
  );
}
