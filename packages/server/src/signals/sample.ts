/** A sample as the server holds it: every optional part decided, its time in milliseconds since 1970. */
export interface Sample {
  readonly service: string;
  readonly signal: string;
  readonly at: number;
  readonly ok: boolean | null;
  readonly value: number | null;
  readonly key: string | null;
  readonly dimensions: Readonly<Record<string, string>> | null;
  readonly hard: "exit" | "violation" | null;
  /** `artifact:version` of the release that served; absent: it is of no release. */
  readonly release?: string | null;
  /** Where the release serves. */
  readonly environment?: string | null;
}

/** What a measured value must be to count as good. */
export interface Good {
  readonly atMost?: number | undefined;
  readonly atLeast?: number | undefined;
}

/**
 * The score of a sample in [0,1], higher is better: by the rule's `good` from the value; without one
 * `ok`, or else a value that lies in [0,1]. Null: this sample cannot be judged so.
 */
export function scoreOf(
  { ok, value }: Pick<Sample, "ok" | "value">,
  good: Good | null,
): number | null {
  if (good !== null) {
    if (value === null) return ok === false ? 0 : null;
    return value <= (good.atMost ?? Number.POSITIVE_INFINITY) &&
      value >= (good.atLeast ?? Number.NEGATIVE_INFINITY)
      ? 1
      : 0;
  }
  if (ok !== null) return ok ? 1 : 0;
  return value !== null && value >= 0 && value <= 1 ? value : null;
}

/** The names under which the results of a probe are samples of its service. */
export function probeSignals(probe: string) {
  return {
    /** `ok`: an answer with a status below 400 came within the timeout. */
    answered: probe,
    /** `ok`: it came within the slo. Known to be bad the moment the slo has passed. */
    withinSlo: `${probe}_slo`,
    /** `value`: how long the answer took; the timeout where none came. */
    latency: `${probe}_latency_ms`,
  } as const;
}
