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
  /** Goes on from what another run of the server stored, and from nothing else. */
  restore(chunks: readonly SampleChunk[]): void;
}

const historiesMax = 200;

interface Kept {
  readonly service: string;
  readonly signals: Map<string, Sample[]>;
}

export function createReleaseMemory(writer: Pick<EvidenceWriter, "sample">): ReleaseMemory {
  /** By the name that they are stored under. */
  const releases = new Map<string, Kept>();
  /** The same, by environment and release: no name is put together for every sample. */
  const places = new Map<string, Map<string, Kept>>();
  let count = 0;

  function keptOf(environment: string, release: string): Kept {
    const known = places.get(environment)?.get(release);
    if (known !== undefined) return known;
    const kept = keptUnder(storedName(environment, release));
    const ofEnvironment = places.get(environment) ?? new Map<string, Kept>();
    places.set(environment, ofEnvironment.set(release, kept));
    return kept;
  }

  function keptUnder(service: string): Kept {
    const known = releases.get(service);
    if (known !== undefined) return known;
    const kept = { service, signals: new Map<string, Sample[]>() };
    releases.set(service, kept);
    return kept;
  }

  function historyOf(kept: Kept, signal: string): Sample[] {
    const known = kept.signals.get(signal);
    if (known !== undefined) return known;
    if (count >= historiesMax) dropIdlest();
    releases.set(kept.service, kept);
    const history: Sample[] = [];
    kept.signals.set(signal, history);
    count += 1;
    return history;
  }

  function dropIdlest(): void {
    let idlest: { kept: Kept; signal: string; at: number } | null = null;
    for (const kept of releases.values()) {
      for (const [signal, samples] of kept.signals) {
        const at = samples.at(-1)?.at ?? 0;
        if (idlest === null || at < idlest.at) idlest = { kept, signal, at };
      }
    }
    if (idlest === null) return;
    idlest.kept.signals.delete(idlest.signal);
    count -= 1;
    if (idlest.kept.signals.size > 0) return;
    releases.delete(idlest.kept.service);
    places.clear();
  }

  return {
    keep(environment, release, sample) {
      const kept = keptOf(environment, release);
      const history = historyOf(kept, sample.signal);
      history.push(sample);
      // Dropping many at once keeps the cost of a sample constant.
      if (history.length >= recentMax * 2) history.splice(0, history.length - recentMax);
      writer.sample(sample, kept.service);
    },
    floorOf(environment, { artifact, version }, guardrail, dimension, now) {
      const kept = releases.get(storedName(environment, `${artifact}:${version}`));
      const samples = kept?.signals.get(guardrail.signal) ?? [];
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
      releases.clear();
      places.clear();
      count = 0;
      for (const { service, signal, samples } of chunks) {
        historyOf(keptUnder(service), signal).push(...samples);
      }
    },
  };
}

/** H2: names of services know no `/`. */
function storedName(environment: string, release: string): string {
  return `${environment}/${release}`;
}

function isOf({ dimensions }: Sample, dimension: string | null): boolean {
  if (dimension === null) return true;
  const at = dimension.indexOf("=");
  return dimensions?.[dimension.slice(0, at)] === dimension.slice(at + 1);
}
