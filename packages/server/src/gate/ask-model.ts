/** Asks the model that a release names, at its endpoint, for one whole answer. */
import { postJson } from "../checks/bounded-post.ts";
import type { Answer } from "../checks/run-checks.ts";
import type { GateSettings } from "../config/gate-settings.ts";
import { Fault } from "../fault.ts";
import { type Body, dialects, newReading } from "../gateway/dialect.ts";
import { modelOf } from "../gateway/model-release.ts";
import type { Json } from "../json/canonical.ts";
import { type AnswersDeps, type AskedRelease, answerOf, failed } from "./asking.ts";

const answerBytesMax = 1_048_576;

export async function askModel(
  { timeout }: GateSettings["run"],
  release: AskedRelease,
  input: Json,
  { config, environment }: AnswersDeps,
  signal: AbortSignal,
): Promise<Answer> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return unavailable(
      "the input is no request to a model: it is the body of one, with its messages",
    );
  }
  try {
    // The gate asks by the release itself, whatever is pinned.
    const model = modelOf({ ...release, environment: "", epoch: 0 });
    const endpoint = config.gateway.endpoints[model.endpoint];
    if (endpoint === undefined) {
      return unavailable(`gateway.endpoints has no ${model.endpoint}, which the release names`);
    }
    const dialect = dialects.find(({ api }) => api === endpoint.api);
    if (dialect === undefined) return unavailable(`nothing here speaks ${endpoint.api}`);
    const body = dialect.withoutTools({
      ...model.parameters,
      ...(input as Body),
      model: model.model,
    });
    const { stream: _stream, stream_options: _options, ...whole } = body;
    const key = endpoint.keyEnv === undefined ? undefined : environment[endpoint.keyEnv];
    const url = `${endpoint.url.replace(/\/+$/, "")}${dialect.below}`;
    const version = endpoint.api === "anthropic" ? { "anthropic-version": "2023-06-01" } : {};
    const headers = { ...version, ...(key === undefined ? {} : dialect.keyHeaders(key)) };
    const posted = await postJson(
      { url, body: whole, headers },
      { timeoutMs: timeout, bytesMax: answerBytesMax },
      signal,
    );
    return withoutKey(
      answerOf(posted, (value) => {
        const reading = newReading();
        dialect.readAnswer(value, reading);
        return reading.text.trim();
      }),
      key,
    );
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return failed(error.message);
  }
}

/** An endpoint may say back what it was given. */
function withoutKey(answer: Answer, key: string | undefined): Answer {
  if (answer.kind === "answered" || key === undefined || key === "") return answer;
  return { ...answer, says: answer.says.replaceAll(key, "(not shown)") };
}

function unavailable(says: string): Answer {
  return { kind: "unavailable", says };
}
