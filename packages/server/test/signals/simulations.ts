/** Worlds with known truth, played against the detectors: shared by the tests and the longer bench. */
import { establishedSamples, floorFrom } from "../../src/signals/baseline.ts";
import { isControlFine } from "../../src/signals/control-gate.ts";
import {
  type DetectorSettings,
  judgementOf,
  newDetector,
  observe,
} from "../../src/signals/detector.ts";
import {
  betFractions,
  floorMax,
  gain,
  logFloorEvidence,
  newFloor,
  observeFloor,
} from "../../src/signals/floor.ts";
import {
  logLateOnsetEvidence,
  newLateOnset,
  observeLateOnset,
} from "../../src/signals/late-onset.ts";
import { pairFloor, pairFractions, pairScore } from "../../src/signals/paired.ts";

export const settings: DetectorSettings = {
  kind: "late-onset",
  objective: null,
  delta: 0.02,
  alpha: 0.05,
  sustainMs: 2_000,
  minSamples: 20,
  fixWithinMs: 0,
  falseAlarmDays: 90,
};

/** A world gives the next score from the one before it; `E[x | past] >= m` must hold at every step. */
export type NextScore = (previous: number, index: number) => number;

/** The share of runs in which the evidence against `m` ever reached 20. */
export function floorCrossings(
  m: number,
  worldOf: () => NextScore,
  { runs, horizon }: { runs: number; horizon: number },
): number {
  const limit = Math.log(20);
  let crossed = 0;
  for (let run = 0; run < runs; run++) {
    const state = newFloor();
    const next = worldOf();
    let x = 1;
    for (let index = 0; index < horizon; index++) {
      x = next(x, index);
      observeFloor(state, Math.min(m, floorMax), x);
      if (logFloorEvidence(state) < limit) continue;
      crossed += 1;
      break;
    }
  }
  return crossed / runs;
}

/** The share of equally good releases that a floor measured over 500 samples would roll back. */
export function estimatedFloorFalseAlarms(
  p: number,
  random: () => number,
  { runs, horizon }: { runs: number; horizon: number },
): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    let sum = 0;
    for (let index = 0; index < establishedSamples; index++) if (random() < p) sum += 1;
    const m = floorFrom(establishedSamples, sum, settings.delta);
    alarms += floorCrossings(m, () => () => (random() < p ? 1 : 0), { runs: 1, horizon });
  }
  return alarms / runs;
}

/** The same with nothing taken off the mean: what the margin is for. */
export function bareMeanFalseAlarms(
  p: number,
  random: () => number,
  { runs, horizon }: { runs: number; horizon: number },
): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    let sum = 0;
    for (let index = 0; index < establishedSamples; index++) if (random() < p) sum += 1;
    const m = sum / establishedSamples;
    alarms += floorCrossings(m, () => () => (random() < p ? 1 : 0), { runs: 1, horizon });
  }
  return alarms / runs;
}

/** Its mean drifts from .9 up to 1 and back. */
export function driftingWorld(random: () => number): NextScore {
  return (_, index) => (random() < 0.9 + 0.1 * Math.sin(index / 50) ** 2 ? 1 : 0);
}

/** After a bad one the next is bad more often, and never more often than one in ten. */
export function dependentWorld(random: () => number): NextScore {
  return (previous) => (random() < (previous === 1 ? 0.97 : 0.9) ? 1 : 0);
}

/** Only its marginal mean is m: bad ones come in runs, in which E[x | past] < m. */
export function marginalWorld(m: number, correlation: number, random: () => number): NextScore {
  return (previous) => (random() < m + correlation * (previous - m) ? 1 : 0);
}

/** The greatest factor that a bet is multiplied by on average, over floors and means at them or above. */
export function greatestFactor(random: () => number, tries = 100_000): number {
  let greatest = 0;
  for (let run = 0; run < tries; run++) {
    const m = random() * floorMax;
    const p = m + (1 - m) * random();
    const delta = random();
    const y = delta - (1 + delta) * random();
    for (const fraction of betFractions) greatest = Math.max(greatest, 1 + gain(fraction, m, p));
    for (const fraction of pairFractions) {
      greatest = Math.max(greatest, 1 + gain(fraction, pairFloor(delta), pairScore(y)));
    }
  }
  return greatest;
}

/** The share of runs in which a whole detector, young at first, ever says regression of a steady signal. */
export function steadyFalseAlarms(
  p: number,
  random: () => number,
  { runs, horizon, everyMs }: { runs: number; horizon: number; everyMs: number },
  given: DetectorSettings = settings,
): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    const state = newDetector();
    for (let index = 0; index < horizon; index++) {
      const at = 1e12 + index * everyMs;
      const kind = observe(state, given, { at, x: random() < p ? 1 : 0, key: null }, 1);
      if (kind !== "regression") continue;
      alarms += 1;
      break;
    }
  }
  return alarms / runs;
}

/** Mean samples from a change after 200 samples at .97 to the alarm of e-SR at m = .95. */
export function lateOnsetDelay(
  after: number,
  random: () => number,
  runs: number,
  budget = 1_000,
): number {
  const limit = Math.log(budget);
  let total = 0;
  for (let run = 0; run < runs; run++) {
    const state = newLateOnset();
    for (let index = 0; index < 200; index++) {
      observeLateOnset(state, 0.95, random() < 0.97 ? 1 : 0, index);
    }
    let delay = 0;
    do {
      observeLateOnset(state, 0.95, random() < after ? 1 : 0, delay);
      delay += 1;
    } while (logLateOnsetEvidence(state) < limit);
    total += delay;
  }
  return total / runs;
}

/** Mean samples to a false alarm of e-SR at B = 1,000 while the mean stays exactly at m. */
export function lateOnsetRunLength(m: number, random: () => number, runs: number): number {
  const limit = Math.log(1_000);
  let total = 0;
  for (let run = 0; run < runs; run++) {
    const state = newLateOnset();
    do {
      observeLateOnset(state, m, random() < m ? 1 : 0, total);
      total += 1;
    } while (logLateOnsetEvidence(state) < limit);
  }
  return total / runs;
}

/**
 * The share of runs in which a release is rolled back although its control suffers just as much: both
 * arms give 60 samples at `during`, after 500 good ones. `gated`: the control is asked first.
 */
export function sharedOutageRollbacks(
  during: { readonly treated: number; readonly control: number },
  random: () => number,
  { runs, gated }: { runs: number; gated: boolean },
): number {
  const everyMs = 200;
  let rollbacks = 0;
  for (let run = 0; run < runs; run++) {
    const treated = newDetector();
    const control = newDetector();
    let isRolledBack = false;
    for (let index = 0; index < 560 && !isRolledBack; index++) {
      const at = 1e12 + index * everyMs;
      const p = index < 500 ? { treated: 0.97, control: 0.97 } : during;
      const x = (share: number) => (random() < share ? 1 : 0);
      observe(control, settings, { at, x: x(p.control), key: null }, 1);
      const kind = observe(treated, settings, { at, x: x(p.treated), key: null }, 1);
      if (kind !== "regression") continue;
      const { onset } = judgementOf(treated, settings, 1);
      const floor = control.baseline.floor ?? 0;
      isRolledBack = !gated || isControlFine(control.sustain, floor, onset ?? at);
    }
    if (isRolledBack) rollbacks += 1;
  }
  return rollbacks / runs;
}
