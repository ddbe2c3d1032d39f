/**
 * The last samples of each signal of each release: what a floor is measured from when the next one goes live.
 *
 *   H1. Bounded: 1,000 samples a signal, `historiesMax` signals of releases; those silent for longest go first.
 *   H2. They are stored beside the services' own samples, under a name that no service can have.
 */
import { establishedSamples, floorFrom } from "./baseline.ts";
import type { EvidenceWriter } from "./evidence-writer.ts";
import { recentMax } from "./history.ts";
import type { Guardrail, ReleaseFloor } from "./release-verdict.ts";
import { type Sample, scoreOf } from "./sample.ts";
import type { SampleChunk } from "./signals-store.ts";
import { windowSamplesMin } from "./sustain.ts";

export interface ReleaseMemory {
  /** Keeps a sample of a release, here and (a little later) in PostgreSQL. */
  keep(environment: string, release: string, sample: Sample): void;
  /** The floor that what the release did at last gives; null with fewer than 20 samples. */
  floorOf(
    environment: string,
    release: { readonly artifact: string; readonly version: string },
    guardrail: Guardrail,
    dimension: string | null,
    now: number,
  ): ReleaseFloor | null;
  /** Goes on from what an earlier run of the server stored. */
  restore(chunks: readonly SampleChunk[]): void;
}

const historiesMax = 200;

export function createReleaseMemory(writer: Pick<EvidenceWriter, "sample">): ReleaseMemory {
  /** The one that was used last stands last. */
  const histories = new Map<string, Sample[]>();

  function historyOf(service: string, signal: string): Sample[] {
    const key = `${service}\n${signal}`;
    const known = histories.get(key);
    if (known !== undefined) return known;
    if (histories.size >= historiesMax) dropIdlest();
    const history: Sample[] = [];
    histories.set(key, history);
    return history;
  }

  function dropIdlest(): void {
    let idlest: string | null = null;
    let lastAt = Number.POSITIVE_INFINITY;
    for (const [key, samples] of histories) {
      const at = samples.at(-1)?.at ?? 0;
      if (at >= lastAt) continue;
      lastAt = at;
      idlest = key;
    }
    if (idlest !== null) histories.delete(idlest);
  }

  return {
    keep(environment, release, sample) {
      const service = storedName(environment, release);
      const history = historyOf(service, sample.signal);
      history.push(sample);
      // Dropping many at once keeps the cost of a sample constant.
      if (history.length >= recentMax * 2) history.splice(0, history.length - recentMax);
      writer.sample({ ...sample, service });
    },
    floorOf(environment, { artifact, version }, guardrail, dimension, now) {
      const service = storedName(environment, `${artifact}:${version}`);
      const samples = histories.get(`${service}\n${guardrail.signal}`) ?? [];
      let n = 0;
      let sum = 0;
      for (const sample of samples.slice(-recentMax)) {
        const score = isOf(sample, dimension) ? scoreOf(sample, guardrail.good ?? null) : null;
        if (score === null || sample.hard !== null) continue;
        n += 1;
        sum += score;
      }
      if (n < windowSamplesMin) return null;
      const kind = n < establishedSamples ? "provisional" : "measured";
      return {
        m: floorFrom(n, sum, guardrail.delta),
        ...{ origin: { kind, samples: n, mean: sum / n }, of: version, at: now },
      };
    },
    restore(chunks) {
      for (const { service, signal, samples } of chunks) {
        if (isStoredName(service)) historyOf(service, signal).push(...samples);
      }
    },
  };
}

/** H2: names of services know no `/`. */
function storedName(environment: string, release: string): string {
  return `${environment}/${release}`;
}

export function isStoredName(service: string): boolean {
  return service.includes("/");
}

function isOf({ dimensions }: Sample, dimension: string | null): boolean {
  if (dimension === null) return true;
  const at = dimension.indexOf("=");
  return dimensions?.[dimension.slice(0, at)] === dimension.slice(at + 1);
}
