/** How many samples a day a signal really has: measured over up to a week, never typed by a user. */

export interface MeasuredRate {
  since: number;
  n: number;
  lastAt: number;
}

const dayMs = 86_400_000;
const memoryMs = 7 * dayMs;
const samplesMin = 20;

export function newRate(): MeasuredRate {
  return { since: 0, n: 0, lastAt: 0 };
}

/** Takes in one sample's time; times do not go back. */
export function countSample(rate: MeasuredRate, at: number): void {
  if (rate.n === 0) rate.since = at;
  rate.n += 1;
  rate.lastAt = at;
  if (at - rate.since <= memoryMs) return;
  // Half of the past is forgotten at once: the rate itself stays as it was.
  rate.since = (rate.since + at) / 2;
  rate.n /= 2;
}

/** Leaves a time out in which nothing was counted. */
export function leaveOut(rate: MeasuredRate, ms: number): void {
  if (rate.n === 0) return;
  rate.since += ms;
  rate.lastAt += ms;
}

/** 0 while there are too few samples to measure. */
export function perDay({ since, n, lastAt }: MeasuredRate): number {
  return n < samplesMin || lastAt <= since ? 0 : (n / (lastAt - since)) * dayMs;
}

/** The usual time between two samples, in milliseconds; null while it cannot be measured. */
export function spacingMs(rate: MeasuredRate): number | null {
  const daily = perDay(rate);
  return daily === 0 ? null : dayMs / daily;
}
