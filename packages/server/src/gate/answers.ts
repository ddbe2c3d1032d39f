/**
 * How a release is asked: by a command, over HTTP, or at the endpoint of its model. What is asked is a shadow: it
 * gets no tools and none of Lastgood's credentials, and its answer is compared and never served.
 */
import { tmpdir } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { postJson } from "../checks/bounded-post.ts";
import type { Answer, Answers } from "../checks/run-checks.ts";
import type { GateSettings } from "../config/gate-settings.ts";
import { Fault } from "../fault.ts";
import type { Json } from "../json/canonical.ts";
import { runCommand } from "../run-command.ts";
import { askModel } from "./ask-model.ts";
import { type AnswersDeps, type AskedRelease, answerOf, failed } from "./asking.ts";
import { withoutTools } from "./without-tools.ts";

const answerBytesMax = 1_048_576;
const triesMax = 3;
const retryMs = 200;

export function answersOf(
  { run }: Pick<GateSettings, "run">,
  release: AskedRelease,
  deps: AnswersDeps,
): Answers {
  const ask = askerOf(run, release, deps);
  return async (given, signal) => {
    const input = withoutTools(given);
    for (let tries = 1; ; tries++) {
      const answer = await ask(input, signal);
      if (answer.kind !== "unavailable" || tries >= triesMax) return answer;
      await pause(retryMs * 2 ** tries, undefined, { signal });
    }
  };
}

function askerOf(
  run: GateSettings["run"],
  release: AskedRelease,
  deps: AnswersDeps,
): (input: Json, signal: AbortSignal) => Promise<Answer> {
  const { command, http } = run;
  if (command !== undefined) {
    return (input, signal) => askCommand({ ...run, command }, { ...release, input }, deps, signal);
  }
  if (http !== undefined) {
    return (input, signal) => askHttp({ ...run, http }, { ...release, input }, deps, signal);
  }
  return (input, signal) => askModel(run, release, input, deps, signal);
}

type Asked = AskedRelease & { readonly input: Json };

async function askCommand(
  { command, envFrom, timeout }: GateSettings["run"] & { readonly command: readonly string[] },
  asked: Asked,
  { base, environment }: AnswersDeps,
  signal: AbortSignal,
): Promise<Answer> {
  const passedOn = envFrom.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  try {
    const done = await runCommand(command, {
      cwd: base,
      env: {
        ...{ PATH: environment.PATH ?? "/usr/bin:/bin", LANG: "C.UTF-8", HOME: tmpdir() },
        ...Object.fromEntries(passedOn),
        LASTGOOD_SHADOW: "1",
      },
      input: JSON.stringify(asked),
      ...{
        timeoutMs: timeout,
        outputBytesMax: answerBytesMax,
        floodBytesMax: answerBytesMax,
        signal,
      },
    });
    if (done.timedOut) return failed(`it was not done within ${timeout} ms`);
    if (done.flooded) return failed(`it wrote over ${answerBytesMax} bytes`);
    if (done.exitCode !== 0) {
      const how = done.signal ?? `code ${done.exitCode}`;
      return failed(`it ended with ${how}: ${done.output.trimEnd().slice(-300)}`);
    }
    return { kind: "answered", output: jsonOrText(done.stdout) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { kind: "unavailable", says: error.message };
  }
}

/** JSON where it is JSON, otherwise the text. */
function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text.trim();
  }
}

async function askHttp(
  { http, keyEnv, timeout }: GateSettings["run"] & { readonly http: string },
  asked: Asked,
  { environment }: AnswersDeps,
  signal: AbortSignal,
): Promise<Answer> {
  const key = keyEnv === undefined ? undefined : environment[keyEnv];
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const headers = { ...authorization, "lastgood-shadow": "1" };
  const posted = await postJson(
    { url: http, body: asked, headers },
    { timeoutMs: timeout, bytesMax: answerBytesMax },
    signal,
  );
  return answerOf(posted, (value) => value);
}
