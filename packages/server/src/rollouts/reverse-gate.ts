/**
 * Whether the way back is passable: the release is whole, starts, is well, and does what its own smoke checks
 * ask. It says what it saw of each, and takes less than five seconds.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GateFinding } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import { type RolloutSettings, usualRollout } from "../config/rollout-settings.ts";
import { Fault } from "../fault.ts";
import { type Body, digestOf } from "../releases/release.ts";
import { findRelease, readContent } from "../releases/release-store.ts";
import { runCommand } from "../run-command.ts";
import type { Db } from "../store/database.ts";

export interface ReverseGateDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Passage {
  readonly ok: boolean;
  /** False: no command says how it is started. */
  readonly starts: boolean;
  readonly says: string;
  readonly findings: readonly GateFinding[];
  readonly tookMs: number;
}

interface Tried {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
}

const outputBytesMax = 4_096;
const passedOn = ["PATH", "HOME", "LANG", "TZ"] as const;

export type ReverseGate = (tried: Tried, signal: AbortSignal) => Promise<Passage>;

export function settingsFor(configuration: Configuration, artifact: string): RolloutSettings {
  const { rollouts } = configuration.current();
  return (Object.hasOwn(rollouts, artifact) ? rollouts[artifact] : undefined) ?? usualRollout;
}

export function createReverseGate(deps: ReverseGateDeps): ReverseGate {
  return async (tried, signal) => {
    const began = performance.now();
    const { probe } = settingsFor(deps.configuration, tried.artifact);
    const within = AbortSignal.any([signal, AbortSignal.timeout(probe.timeout)]);
    const findings: GateFinding[] = [];
    const { finding, body } = await wholeness(deps.db, tried);
    findings.push(finding);
    const steps = [
      ...(probe.start === undefined ? [] : [{ what: "starts" as const, argv: probe.start }]),
      ...(probe.health === undefined ? [] : [{ what: "health" as const, argv: probe.health }]),
      ...probe.smoke.map((argv) => ({ what: "smoke" as const, argv })),
    ];
    if (body !== null && steps.length > 0) {
      findings.push(...(await tryOut(deps, tried, body, steps, within, signal)));
    }
    const failed = findings.find(({ ok }) => !ok);
    return {
      ok: failed === undefined,
      starts: probe.start !== undefined,
      says: failed === undefined ? sayPassed(findings) : `${failed.what}: ${failed.says}`,
      findings,
      tookMs: Math.round(performance.now() - began),
    };
  };
}

/** What is stored is what was published: its digest is computed anew. */
async function wholeness(
  db: Db,
  { artifact, version }: Tried,
): Promise<{ readonly finding: GateFinding; readonly body: Body | null }> {
  const began = performance.now();
  const said = (ok: boolean, says: string): GateFinding => ({
    ...{ what: "digest", ok, says, tookMs: Math.round(performance.now() - began) },
  });
  const release = await findRelease(db, artifact, version);
  if (release === null) return { finding: said(false, "there is no such release"), body: null };
  const text = await readContent(db, release.digest);
  if (release.reference === null && (text === null || release.retiredAt !== null)) {
    return { finding: said(false, "its content is gone"), body: null };
  }
  const body: Body =
    release.reference === null
      ? { kind: "content", text: text ?? "" }
      : { kind: "reference", reference: release.reference };
  const digest = digestOf(body);
  if (digest !== release.digest) {
    const says = `what is stored has the digest ${digest.slice(0, 12)}, and ${release.digest.slice(0, 12)} was published`;
    return { finding: said(false, says), body: null };
  }
  return { finding: said(true, `sha256 ${digest.slice(0, 12)}, as it was published`), body };
}

interface Step {
  readonly what: GateFinding["what"];
  readonly argv: readonly string[];
}

/** One after the other, until one fails. */
async function tryOut(
  { configuration, environment }: ReverseGateDeps,
  tried: Tried,
  body: Body,
  steps: readonly Step[],
  within: AbortSignal,
  stopping: AbortSignal,
): Promise<readonly GateFinding[]> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-release-"));
  try {
    const file = join(folder, "release");
    await writeFile(file, body.kind === "content" ? plain(body.text) : body.reference);
    const own = passedOn.flatMap((each) => {
      const value = environment[each];
      return value === undefined ? [] : [[each, value] as const];
    });
    const env = {
      ...Object.fromEntries(own),
      ...{ RELEASE_FILE: file, ARTIFACT: tried.artifact, VERSION: tried.version },
      ENVIRONMENT: tried.environment,
    };
    const findings: GateFinding[] = [];
    for (const step of steps) {
      const finding = await run(step, { cwd: configuration.base, env }, within, stopping);
      findings.push(finding);
      if (!finding.ok) break;
    }
    return findings;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A text as it was published; any other value as JSON. */
function plain(text: string): string {
  const value: unknown = JSON.parse(text);
  return typeof value === "string" ? value : text;
}

async function run(
  { what, argv }: Step,
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  within: AbortSignal,
  stopping: AbortSignal,
): Promise<GateFinding> {
  const began = performance.now();
  const said = (ok: boolean, says: string) => ({
    ...{ what, ok, says: says.slice(0, 500), tookMs: Math.round(performance.now() - began) },
  });
  try {
    const { exitCode, signal, output } = await runCommand(argv, {
      ...{ cwd, env, outputBytesMax, signal: within, timeoutMs: 10_000 },
    });
    if (exitCode === 0) return said(true, `${argv.join(" ")} exited 0`);
    const last = output.trim().split("\n").at(-1) ?? "";
    return said(false, `${argv.join(" ")} ended with ${exitCode ?? signal}: ${last}`);
  } catch (error) {
    stopping.throwIfAborted();
    if (within.aborted) return said(false, `${argv.join(" ")} did not end in time`);
    if (error instanceof Fault) return said(false, error.message);
    throw error;
  }
}

function sayPassed(findings: readonly GateFinding[]): string {
  return findings.length === 1
    ? "its digest is what was published; no command says how it is started"
    : findings.map(({ what, tookMs }) => `${what} in ${tookMs} ms`).join(", ");
}
