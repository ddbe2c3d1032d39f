/**
 * Probes every declared service by itself, at the probe's pace.
 *
 *     tick ──> nothing under way: ask ──> answered | failed | timed out ──> samples
 *        └───> still under way: skip, and say what the silence already says
 *
 *   P1. One request of a probe at a time: a service that hangs is not piled upon. A skipped turn is counted.
 *   P2. A hanging service still gives bad samples at the probe's pace. The slo is missed the moment it has
 *       passed, not when the answer comes; and at each skipped turn a silence longer than the slo is a bad
 *       sample of it, a silence longer than the timeout a bad sample of the probe itself.
 *   P3. A probe that saw something bad looks closer: every 100 ms until 20 answers in a row are good. So
 *       does one whose service is being put back. When all is well the declared pace is all it takes.
 *   P4. A sample's time is when its request began.
 */
import type { Config, ProbeConfig, ServiceConfig } from "../config/config.ts";
import type { World } from "../world.ts";
import { type ProbeResult, probeOnce, readPointer } from "./probe.ts";
import { probeSignals, type Sample } from "./sample.ts";

export interface ProbeLoop {
  /** Starts, changes and stops probes so that they are those of this configuration. */
  configure(config: Config): void;
  /** P3. The probes of these services look closer for that long. */
  attend(services: ReadonlySet<string>, forMs: number): void;
  /** The revision that the service last said it serves, and when; null when none says so. */
  servedRevision(service: string): { readonly revision: string; readonly at: Date } | null;
  skipped(): number;
  stop(): Promise<void>;
}

export interface ProbeLoopDeps {
  readonly world: World;
  /** How two moments of this machine are compared; milliseconds. */
  readonly monotonicMs?: () => number;
  take(samples: readonly Sample[]): void;
}

const closerEveryMs = 100;
const goodInARowMin = 20;

export function createProbeLoop({ world, take, monotonicMs }: ProbeLoopDeps): ProbeLoop {
  const clock = monotonicMs ?? (() => performance.now());
  const runs = new Map<string, ProbeRun>();
  const revisions = new Map<string, { revision: string; at: Date }>();
  let skipped = 0;

  return {
    configure(config) {
      const wanted = new Map<string, [string, string, ProbeConfig, URL]>();
      for (const [service, settings] of Object.entries(config.services)) {
        for (const [name, probe] of Object.entries(settings.probes)) {
          const url = urlOf(settings, probe);
          if (url === null) continue;
          const key = JSON.stringify([service, name, url.href, probe]);
          wanted.set(key, [service, name, probe, url]);
        }
      }
      for (const [key, run] of runs) {
        if (wanted.has(key)) continue;
        runs.delete(key);
        void run.stop();
      }
      for (const [key, [service, name, probe, url]] of wanted) {
        if (runs.has(key)) continue;
        const run = startProbe({
          ...{ service, name, probe, url, world, clock, take },
          skip: () => {
            skipped += 1;
          },
          serves: (revision) => revisions.set(service, { revision, at: world.now() }),
        });
        runs.set(key, run);
      }
    },
    attend(services, forMs) {
      for (const run of runs.values()) if (services.has(run.service)) run.attend(forMs);
    },
    servedRevision: (service) => revisions.get(service) ?? null,
    skipped: () => skipped,
    async stop() {
      await Promise.all([...runs.values()].map((run) => run.stop()));
      runs.clear();
    },
  };
}

/** Where a probe asks: the service's own address, or that of its local process. Null: nowhere. */
export function urlOf(service: ServiceConfig, probe: ProbeConfig): URL | null {
  const base =
    service.url ??
    (service.runtime?.adapter === "process" ? `http://127.0.0.1:${service.runtime.port}` : null);
  return base === null ? null : new URL(probe.path, base);
}

interface ProbeRun {
  readonly service: string;
  attend(forMs: number): void;
  stop(): Promise<void>;
}

interface ProbeRunDeps {
  readonly service: string;
  readonly name: string;
  readonly probe: ProbeConfig;
  readonly url: URL;
  readonly world: World;
  readonly clock: () => number;
  take(samples: readonly Sample[]): void;
  skip(): void;
  serves(revision: string): void;
}

function startProbe(deps: ProbeRunDeps): ProbeRun {
  const { service, name, probe, url, world, clock, take } = deps;
  const signals = probeSignals(name);
  const stopping = new AbortController();
  const readsBody = probe.revision !== undefined || Object.keys(probe.read).length > 0;
  let asking: { began: number; settled: Promise<void> } | null = null;
  /** When the first request began that has had no answer since; null while it answers. */
  let silentSince: number | null = null;
  let goodInARow = goodInARowMin;
  let closerUntil = 0;
  let timer: NodeJS.Timeout | undefined;
  let nextAt = clock();

  const sample = (signal: string, at: Date, ok: boolean | null, value: number | null): Sample => ({
    ...{ service, signal, at: at.getTime(), ok, value },
    ...{ key: null, dimensions: null, hard: null },
  });

  function tick(): void {
    if (stopping.signal.aborted) return;
    if (asking !== null) stillWaiting(asking.began);
    else ask();
    const isCloser = goodInARow < goodInARowMin || clock() < closerUntil;
    const everyMs = isCloser ? Math.min(probe.every, closerEveryMs) : probe.every;
    // Turns that were missed while this process was busy are not made up for.
    nextAt = Math.max(nextAt + everyMs, clock());
    timer = setTimeout(tick, Math.max(0, nextAt - clock()));
  }

  /** P3. Something bad was seen: the next look is soon, whatever was arranged. */
  function hasten(): void {
    goodInARow = 0;
    if (stopping.signal.aborted || nextAt - clock() <= closerEveryMs) return;
    clearTimeout(timer);
    nextAt = clock() + closerEveryMs;
    timer = setTimeout(tick, closerEveryMs);
  }

  function ask(): void {
    const began = clock();
    const at = world.now();
    silentSince ??= began;
    let isSloSaid = probe.slo === undefined;
    const saySlo = (ok: boolean) => {
      if (isSloSaid) return;
      isSloSaid = true;
      if (ok) goodInARow += 1;
      else hasten();
      take([sample(signals.withinSlo, at, ok, null)]);
    };
    const sloTimer =
      probe.slo === undefined ? undefined : setTimeout(() => saySlo(false), probe.slo);
    const settled = probeOnce(url, { timeoutMs: probe.timeout, readsBody }, stopping.signal)
      .then((result) => {
        clearTimeout(sloTimer);
        asking = null;
        if (stopping.signal.aborted) return;
        if (result.outcome !== "timed-out") silentSince = null;
        const isOk = result.outcome === "answered" && result.status < 400;
        if (!isOk) hasten();
        else if (probe.slo === undefined) goodInARow += 1;
        saySlo(isOk && result.elapsedMs <= (probe.slo ?? 0));
        take(samplesOf(result, at, isOk));
      })
      .finally(() => clearTimeout(sloTimer));
    asking = { began, settled };
  }

  /** P1, P2. */
  function stillWaiting(began: number): void {
    deps.skip();
    const now = clock();
    const at = world.now();
    if (probe.slo !== undefined && now - began >= probe.slo) {
      goodInARow = 0;
      take([sample(signals.withinSlo, at, false, null)]);
    }
    if (silentSince !== null && now - silentSince >= probe.timeout) {
      goodInARow = 0;
      take([sample(signals.answered, at, false, null)]);
    }
  }

  function samplesOf(result: ProbeResult, at: Date, isOk: boolean): readonly Sample[] {
    const samples = [sample(signals.answered, at, isOk, null)];
    if (result.outcome !== "failed") {
      samples.push(sample(signals.latency, at, null, result.elapsedMs));
    }
    if (result.outcome !== "answered") return samples;
    for (const [signal, pointer] of Object.entries(probe.read)) {
      const value = readPointer(result.body, pointer);
      if (typeof value === "number") samples.push(sample(signal, at, null, value));
    }
    const revision =
      probe.revision === undefined ? undefined : readPointer(result.body, probe.revision);
    if (typeof revision === "string") deps.serves(revision.slice(0, 200));
    return samples;
  }

  tick();
  return {
    service,
    attend(forMs) {
      closerUntil = Math.max(closerUntil, clock() + forMs);
      clearTimeout(timer);
      nextAt = clock();
      tick();
    },
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await asking?.settled;
    },
  };
}
