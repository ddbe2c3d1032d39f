/** What executions tell of the release that they ran under. Pure. */
import type { Execution } from "./execution.ts";

/** A sample of a release: what is observed belongs to a version of an artifact in an environment. */
export interface ReleaseSample {
  readonly environment: string;
  /** `artifact:version`. */
  readonly release: string;
  readonly service: string;
  readonly signal: string;
  readonly at: number;
  readonly ok: boolean | null;
  readonly value: number | null;
  readonly key: string | null;
  readonly dimensions: Readonly<Record<string, string>> | null;
}

/** The names under which executions are samples; the gateway adds `first_byte_ms` and `tokens`. */
export const releaseSignals = {
  success: "success",
  latency: "latency_ms",
  firstByte: "first_byte_ms",
  tokens: "tokens",
  /** Of outcomes alone. */
  quality: "quality",
  /** Whether a mirrored request was answered as the live one: by the release that it was mirrored to. */
  agreement: "agreement",
} as const;

type Observed = Pick<
  Execution,
  "environment" | "artifact" | "version" | "key" | "dimensions" | "begunAt"
>;

export function releaseSample(
  { environment, artifact, version, key, dimensions }: Omit<Observed, "begunAt">,
  signal: string,
  at: Date,
  observed: { readonly ok?: boolean; readonly value?: number },
): ReleaseSample {
  return {
    ...{ environment, release: `${artifact}:${version}`, service: serviceOf(artifact), signal },
    ...{ at: at.getTime(), ok: observed.ok ?? null, value: observed.value ?? null },
    ...{ key: key.slice(0, 200), dimensions },
  };
}

/** The name that the samples of an artifact stand under: names of services know no `/`. */
export function serviceOf(artifact: string): string {
  return artifact.replaceAll("/", ".");
}

/** Of an execution that has just ended: whether it succeeded, and how long it took. */
export function endSamples(
  execution: Observed & Pick<Execution, "state" | "endedAt">,
  now: Date,
): readonly ReleaseSample[] {
  const { state, begunAt, endedAt } = execution;
  if (state !== "finished" && state !== "failed") return [];
  const took = Math.max(0, (endedAt ?? now).getTime() - begunAt.getTime());
  return [
    releaseSample(execution, releaseSignals.success, now, { ok: state === "finished" }),
    releaseSample(execution, releaseSignals.latency, now, { value: took }),
  ];
}
