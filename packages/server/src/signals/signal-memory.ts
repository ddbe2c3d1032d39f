/**
 * The kept past of all signals. Bounded: `signalsMax` signals; further ones are counted and not kept.
 */
import type { EvidenceWriter } from "./evidence-writer.ts";
import { type History, keep, newHistory } from "./history.ts";
import type { Sample } from "./sample.ts";
import type { ClosedBucket, SampleChunk } from "./signals-store.ts";

const signalsMax = 500;

export interface SignalMemory {
  /** Keeps the sample, here and (a little later) in PostgreSQL; false for a signal too many. */
  keep(sample: Sample): boolean;
  history(service: string, signal: string): History | null;
  signalsOf(service: string): readonly { readonly signal: string; readonly history: History }[];
  /** Goes on from what an earlier run of the server stored. */
  restore(buckets: readonly ClosedBucket[], chunks: readonly SampleChunk[]): void;
}

export function createSignalMemory(
  writer: Pick<EvidenceWriter, "sample" | "bucket">,
): SignalMemory {
  const services = new Map<string, Map<string, History>>();
  let count = 0;

  function find(service: string, signal: string): History | null {
    return services.get(service)?.get(signal) ?? null;
  }

  function findOrMake(service: string, signal: string): History | null {
    const known = find(service, signal);
    if (known !== null || count >= signalsMax) return known;
    const history = newHistory();
    const signals = services.get(service) ?? new Map<string, History>();
    services.set(service, signals.set(signal, history));
    count += 1;
    return history;
  }

  return {
    keep(sample) {
      const { service, signal } = sample;
      const history = findOrMake(service, signal);
      if (history === null) return false;
      writer.sample(sample);
      const closed = keep(history, sample);
      if (closed !== null) writer.bucket({ ...closed, service, signal });
      return true;
    },
    history: find,
    signalsOf: (service) =>
      [...(services.get(service) ?? [])].map(([signal, history]) => ({ signal, history })),
    restore(buckets, chunks) {
      for (const { service, signal, ...bucket } of buckets) {
        findOrMake(service, signal)?.buckets.push(bucket);
      }
      for (const { service, signal, samples } of chunks) {
        findOrMake(service, signal)?.recent.push(...samples);
      }
    },
  };
}
