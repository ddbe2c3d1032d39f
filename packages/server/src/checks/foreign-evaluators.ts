/**
 * Evaluators that are somebody's program, here or behind HTTP. Whatever they do, they end in time, take no more
 * memory than is given, and what they say has to agree with itself.
 */
import { tmpdir } from "node:os";
import { Fault } from "../fault.ts";
import type { Json } from "../json/canonical.ts";
import { type CommandRun, runCommand } from "../run-command.ts";
import { postJson } from "./bounded-post.ts";
import { cannotTell, type Evaluator, fails, type Judged, passes } from "./check.ts";

type Of<Kind extends Evaluator["kind"]> = Extract<Evaluator, { readonly kind: Kind }>;

/** What an evaluator gets, as JSON. */
export interface Question {
  readonly input: Json;
  readonly expected: Json | undefined;
  readonly output: Json;
}

export interface Surroundings {
  /** The folder of lastgood.yaml, where commands run. */
  readonly base: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const timeoutMsDefault = 10_000;
const outputBytesMax = 65_536;
const floodBytesMax = 1_048_576;
const scoreAtLeast = 0.5;

export async function judgeByCommand(
  { command, timeoutMs = timeoutMsDefault }: Of<"command">,
  question: Question,
  { base, environment }: Surroundings,
  signal: AbortSignal,
): Promise<Judged> {
  try {
    const run = await runCommand(command, {
      cwd: base,
      // None of Lastgood's own variables: no credentials.
      env: { PATH: environment.PATH ?? "/usr/bin:/bin", LANG: "C.UTF-8", HOME: tmpdir() },
      input: JSON.stringify(question),
      ...{ timeoutMs, outputBytesMax, floodBytesMax, signal },
    });
    return judgedBy(run, timeoutMs);
  } catch (error) {
    if (error instanceof Fault) return cannotTell(error.message);
    throw error;
  }
}

function judgedBy(
  { exitCode, signal, timedOut, flooded, stdout, output }: CommandRun,
  timeoutMs: number,
): Judged {
  const lastLine = output.trimEnd().split("\n").at(-1)?.slice(0, 300) ?? "";
  if (timedOut)
    return cannotTell(`the evaluator was not done within ${timeoutMs} ms: it was ended`);
  if (flooded) return cannotTell(`the evaluator wrote over ${floodBytesMax} bytes: it was ended`);
  if (exitCode !== 0 && exitCode !== 1) {
    const how = signal === null ? `code ${exitCode}` : signal;
    return cannotTell(`the evaluator ended with ${how}, which is no answer: ${lastLine}`);
  }
  const said = wordOf(stdout);
  if (said !== null && said !== (exitCode === 0)) {
    return cannotTell(
      `the evaluator says "pass": ${said} and exits ${exitCode}: one of the two is not true`,
    );
  }
  return exitCode === 0 ? passes(lastLine || "it passes") : fails(lastLine || "it does not pass");
}

/** Where its last line is `{"pass": …}`: what that says. */
function wordOf(stdout: string): boolean | null {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) return null;
  try {
    const { pass } = JSON.parse(line) as { pass?: unknown };
    return typeof pass === "boolean" ? pass : null;
  } catch {
    return null;
  }
}

export async function judgeByHttp(
  { url, keyEnv, atLeast = scoreAtLeast, timeoutMs = timeoutMsDefault }: Of<"http">,
  question: Question,
  { environment }: Surroundings,
  signal: AbortSignal,
): Promise<Judged> {
  const key = keyEnv === undefined ? undefined : environment[keyEnv];
  if (keyEnv !== undefined && key === undefined) {
    return cannotTell(`the judge's key ${keyEnv} is not in the server's environment`);
  }
  const answer = await postJson(
    { url, body: question, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } },
    { timeoutMs, bytesMax: outputBytesMax },
    signal,
  );
  if (answer.kind !== "answered") return cannotTell(`the judge at ${originOf(url)} ${answer.says}`);
  return judgedByWord(answer.value, atLeast, originOf(url));
}

function judgedByWord(value: Json, atLeast: number, from: string): Judged {
  const { pass, score, says } = (
    typeof value === "object" && value !== null ? value : {}
  ) as Record<string, unknown>;
  const because = typeof says === "string" ? says.slice(0, 300) : "";
  if (score !== undefined && !(typeof score === "number" && score >= 0 && score <= 1)) {
    return cannotTell(
      `the judge at ${from} gives a score that is none: ${String(score).slice(0, 40)}`,
    );
  }
  const byScore = typeof score === "number" ? score >= atLeast : null;
  const byWord = typeof pass === "boolean" ? pass : null;
  if (byScore === null && byWord === null) {
    return cannotTell(`the judge at ${from} gives neither "pass" nor "score"`);
  }
  if (byScore !== null && byWord !== null && byScore !== byWord) {
    return cannotTell(
      `the judge at ${from} says "pass": ${byWord} and gives ${String(score)}, where ${atLeast} passes: one of the two is not true`,
    );
  }
  const outcome = (byWord ?? byScore) ? "pass" : "fail";
  const graded = typeof score === "number" ? score : outcome === "pass" ? 1 : 0;
  return { outcome, score: graded, says: because || `the judge gives ${graded}` };
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url.slice(0, 100);
}
