/** A judge of releases alone, fed by hand: nothing is stored, and only samples move the clock. */
import { Fault } from "../../src/fault.ts";
import { createReleaseJudge, type ToldVerdict } from "../../src/signals/release-judge.ts";
import { createReleaseMemory } from "../../src/signals/release-memory.ts";
import type { Guardrail, Watched } from "../../src/signals/release-verdict.ts";
import type { Sample } from "../../src/signals/sample.ts";
import { realWorld } from "../../src/world.ts";

export const guardrail: Guardrail = {
  ...{ signal: "quality", delta: 0.02, objective: null, sustainMs: 2_000, minSamples: 20 },
  dimensions: [],
};

export const beside: Watched = {
  ...{ environment: "production", artifact: "router", candidate: "v14" },
  ...{ prior: "v13", control: "v13" },
  guardrails: [guardrail],
};

export interface Asked {
  /** Versions that copies were asked of, or ended. */
  readonly told: string[];
  refuses: string | null;
  /** Who is asked answers only then. */
  answers: Promise<void>;
}

export function startJudge({ freshForMs = 14 * 86_400_000 } = {}) {
  const clock = { at: 1_800_000_000_000 };
  const asked: Asked = { told: [], refuses: null, answers: Promise.resolve() };
  const told: ToldVerdict[] = [];
  const memory = createReleaseMemory({ sample: () => {} });
  const points: unknown[] = [];
  const judge = createReleaseJudge({
    world: { ...realWorld, now: () => new Date(clock.at) },
    ...{ memory, writer: { point: (point) => void points.push(point) } },
    environment: () => "production",
    freshForMs: () => freshForMs,
    controls: {
      async begin({ version }) {
        if (asked.refuses !== null) throw new Fault("state_forbids", asked.refuses);
        asked.told.push(version);
        await asked.answers;
      },
      async end() {
        asked.told.push("end");
      },
    },
  });
  judge.onVerdict((verdict) => told.push(verdict));
  let count = 0;
  return {
    ...{ judge, clock, asked, told, points },
    /** One sample of a version, 250 ms after the last. */
    feed(version: string, x: number, more: Partial<Sample> = {}) {
      clock.at += 250;
      count += 1;
      const took = judge.take({
        ...{ service: "router", signal: "quality", at: clock.at, ok: null, value: x, hard: null },
        ...{ key: `e${count}`, dimensions: null, release: `router:${version}` },
        environment: "production",
        ...more,
      });
      judge.settle();
      return took;
    },
    said: () => judge.verdictOf(beside),
  };
}
