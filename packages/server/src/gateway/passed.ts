/** What a request that passed tells of the release that served it. Pure. */
import { digestOf } from "../executions/output-digest.ts";
import { releaseSignals, serviceOf } from "../executions/release-sample.ts";
import type { Asked } from "./asked.ts";
import type { Body, Reading } from "./dialect.ts";
import type { PinnedModel } from "./pin-source.ts";
import type { ReportedExecution, ReportedSample } from "./report.ts";

export interface Passing {
  readonly id: string;
  /** Of the work: its own id, unless it is tried again under another release. */
  readonly key: string;
  readonly asked: Asked;
  readonly release: PinnedModel;
  readonly target: string;
  readonly attempt: number;
  readonly previous: string | null;
  readonly mirrorOf: string | null;
  readonly begunAt: Date;
}

export interface Ended {
  /** Null: the client went away, which says nothing of the release. */
  readonly ok: boolean | null;
  readonly error: string | null;
  readonly tookMs: number;
  /** Null where the answer was not streamed. */
  readonly firstByteMs: number | null;
  readonly reading: Reading | null;
  readonly endedAt: Date;
}

/** Whether it succeeded, how long it took, how many tokens it used. */
export function samplesOf(passing: Passing, ended: Ended): readonly ReportedSample[] {
  const { ok, tookMs, firstByteMs, reading, endedAt } = ended;
  if (ok === null) return [];
  const tokens = reading?.tokens ?? null;
  return [
    sampleOf(passing, endedAt, releaseSignals.success, { ok }),
    ...measured(passing, endedAt, releaseSignals.latency, ok ? tookMs : null),
    ...measured(passing, endedAt, releaseSignals.firstByte, ok ? firstByteMs : null),
    ...measured(passing, endedAt, releaseSignals.tokens, tokens),
  ];
}

function measured(
  passing: Passing,
  at: Date,
  signal: string,
  value: number | null,
): readonly ReportedSample[] {
  if (value === null) return [];
  return [sampleOf(passing, at, signal, { value: Math.round(value * 1_000) / 1_000 })];
}

export function sampleOf(
  { asked, release: { artifact, version }, id, mirrorOf }: Passing,
  at: Date,
  signal: string,
  observed: { readonly ok: boolean } | { readonly value: number },
): ReportedSample {
  return {
    ...{ release: `${artifact}:${version}`, service: serviceOf(artifact), signal, ...observed },
    // A copy is of the same work as its live request: by that the two are compared.
    ...{ at: at.toISOString(), key: (asked.key ?? mirrorOf ?? id).slice(0, 200) },
    ...(Object.keys(asked.dimensions).length === 0 ? {} : { dimensions: asked.dimensions }),
  };
}

/** The request as an execution of its own: while it runs, and once it ended. */
export function executionOf(
  passing: Passing,
  ended: Ended | null,
  records: boolean,
): ReportedExecution {
  const { id, key, asked, release, target, attempt, previous, mirrorOf, begunAt } = passing;
  const { artifact, version, epoch } = release;
  const text = ended?.reading == null ? null : keepable(ended.reading.text);
  return {
    ...{ id, artifact, version, epoch, key, target, attempt, previous, mirrorOf },
    ...{ agent: asked.caller.agent, session: asked.session, dimensions: asked.dimensions },
    state: ended === null ? "running" : ended.ok === true ? "finished" : "failed",
    error: ended?.error ?? null,
    next: null,
    begunAt: begunAt.toISOString(),
    endedAt: ended?.endedAt.toISOString() ?? null,
    outputDigest: ended?.ok === true && text !== null ? digestOf(text) : null,
    ...(records ? { input: inputOf(asked.body), ...(text === null ? {} : { output: text }) } : {}),
  };
}

/** A text as PostgreSQL keeps it, and others read it. */
export function keepable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "");
}

/** What the model was asked, without how it is to be sent. */
export function inputOf(body: Body): Body {
  const { model: _model, stream: _stream, stream_options: _options, ...rest } = body;
  return rest;
}
