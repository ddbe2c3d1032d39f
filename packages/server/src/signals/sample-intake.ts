/**
 * Everything that comes in passes here: what is fit to be judged goes on, the rest is counted and told.
 */
import type { Logger } from "pino";
import type { World } from "../world.ts";
import type { ReleaseLabels } from "./release-labels.ts";
import type { Sample } from "./sample.ts";

/** A sender's clock may be ahead by this much. */
export const futureMsMax = 60_000;

export interface Taken {
  readonly unjudged: number;
  readonly late: number;
  readonly unknownRelease: number;
}

export interface SampleIntake {
  /** Never waits, never throws. */
  take(samples: readonly Sample[]): Taken;
  unfit(): number;
}

export function createSampleIntake({
  world,
  log,
  labels,
  judge,
}: {
  readonly world: World;
  readonly log: Logger;
  readonly labels: ReleaseLabels;
  judge(samples: readonly Sample[]): { readonly unjudged: number; readonly late: number };
}): SampleIntake {
  let unfit = 0;
  return {
    unfit: () => unfit,
    take(samples) {
      const now = world.now().getTime();
      const fit = samples.filter((sample) => isFit(sample, now));
      if (fit.length < samples.length) {
        unfit += samples.length - fit.length;
        const [first] = samples.filter((sample) => !isFit(sample, now));
        log.warn(
          { sample: first, left: samples.length - fit.length },
          "samples from the future, or of no finite number, are not judged: check the sender",
        );
      }
      const { ready, unknown } = labels.sift(fit);
      return { ...judge(ready), unknownRelease: unknown };
    },
  };
}

function isFit({ at, value }: Sample, now: number): boolean {
  return (
    Number.isFinite(at) && at <= now + futureMsMax && (value === null || Number.isFinite(value))
  );
}
