import { pino } from "pino";
import { type Config, configSchema } from "../../src/config/config.ts";
import type { Sample } from "../../src/signals/sample.ts";
import { createSignals, type Signals } from "../../src/signals/signals.ts";
import type { Verdict } from "../../src/signals/verdict.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

export interface SignalsWorld extends AsyncDisposable {
  readonly db: Db;
  readonly signals: Signals;
  /** Everything that was said, in order. */
  readonly verdicts: readonly Verdict[];
  /** The time of the next sample; each sample moves it on. */
  clock: number;
  /** Pushes `n` samples, one every 250 ms of the world's own clock. */
  feed(n: number, sample: Partial<Sample>): void;
  /** The first verdict of this kind said from now on, or said before and not asked for yet. */
  said(kind: Verdict["kind"], rule?: string): Promise<Verdict>;
  /** Ends the signals as a stopped server would, and starts them anew over the same database. */
  restart(): Promise<void>;
}

export const service = "content-api";

/** The signals room alone, over a real database, with a clock that only samples move. */
export async function startSignals(
  given: unknown,
  { baselineDeadlineMs = 400 }: { baselineDeadlineMs?: number } = {},
): Promise<SignalsWorld> {
  const store = await startDatabase();
  const config: Config = configSchema.parse(given);
  const world = { ...realWorld, now: () => new Date(self.clock) };
  const verdicts: Verdict[] = [];
  let asked = 0;
  const start = async () => {
    const signals = await createSignals({
      db: store.db,
      world,
      log: pino({ level: "silent" }),
      configuration: { base: "/", current: () => config },
      baselineDeadlineMs,
    });
    signals.onVerdict((verdict) => verdicts.push(verdict));
    return signals;
  };
  const self = {
    db: store.db,
    clock: Date.now(),
    verdicts,
    signals: undefined as unknown as Signals,
    feed(n: number, sample: Partial<Sample>) {
      for (let index = 0; index < n; index++) {
        self.clock += 250;
        self.signals.ingest([
          {
            ...{ service, signal: "publish", ok: null, value: null, key: null },
            ...{ dimensions: null, hard: null, at: self.clock },
            ...sample,
          },
        ]);
      }
    },
    said: (kind: Verdict["kind"], rule?: string) =>
      until(`the verdict ${kind}`, () => {
        const index = verdicts.findIndex(
          (each, at) => at >= asked && each.kind === kind && (rule ?? each.rule) === each.rule,
        );
        if (index < 0) return null;
        asked = index + 1;
        return verdicts[index] ?? null;
      }),
    async restart() {
      await self.signals.stop();
      self.signals = await start();
    },
    async [Symbol.asyncDispose]() {
      await self.signals.stop();
      await store[Symbol.asyncDispose]();
    },
  };
  self.signals = await start();
  return self;
}
