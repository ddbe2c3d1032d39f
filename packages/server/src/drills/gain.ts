/** What a second incident of the same signature took, beside the first: as much less as was measured, or none. Pure. */

/** Milliseconds; null where it was never reached. */
export interface Times {
  readonly detectedToDecided: number | null;
  readonly injectedToVerified: number | null;
  readonly runs: number;
}

export interface Gain {
  /** How much less time it took to put it right, from 0 to 1; negative where it took longer; null: one never was. */
  readonly lessBy: number | null;
  readonly says: string;
}

/** Less than this is no gain: two runs of the very same differ by as much. */
const noiseBelow = 0.05;

export function gainOf(first: Times, again: Times): Gain {
  const whole = lessBy(first.injectedToVerified, again.injectedToVerified);
  const verdict =
    whole === null
      ? "no gain is known, for one of the two was never put right"
      : whole >= noiseBelow
        ? `put right in ${percentOf(whole)} less time with the playbook`
        : `no gain: the playbook did not put it right sooner`;
  const figures = [
    `injected to verified ${both(first.injectedToVerified, again.injectedToVerified)}`,
    `detected to decided ${both(first.detectedToDecided, again.detectedToDecided)}`,
    `${again.runs} runs of the check, ${first.runs} the first time`,
  ];
  return { lessBy: whole, says: `${verdict} (${figures.join("; ")})` };
}

function lessBy(was: number | null, is: number | null): number | null {
  return was === null || is === null || was <= 0 ? null : 1 - is / was;
}

function both(was: number | null, is: number | null): string {
  return `${secondsOf(is)}, ${secondsOf(was)} the first time`;
}

function secondsOf(ms: number | null): string {
  return ms === null ? "never" : `${(ms / 1_000).toFixed(1)} s`;
}

function percentOf(part: number): string {
  return `${Math.round(part * 100)} %`;
}
