/**
 * Who is failing: one user in a retry loop is one failure, and fewer than three are bad luck.
 *
 *   K1. A failure of a key that was counted within the last hour is not counted again.
 *   K2. A sample without a key is an execution of its own.
 *   K3. At most `kept` failures are remembered; the oldest go first.
 */

export interface FailingKeys {
  /** Oldest first. */
  readonly failures: { key: string | null; at: number }[];
}

const kept = 256;
const forgetAfterMs = 3_600_000;

export function newFailingKeys(): FailingKeys {
  return { failures: [] };
}

/** Remembers the failure and returns true; false when its key was counted already (K1). */
export function countFailure({ failures }: FailingKeys, key: string | null, at: number): boolean {
  while (failures.length > 0 && (failures[0]?.at ?? 0) < at - forgetAfterMs) failures.shift();
  if (key !== null && failures.some((each) => each.key === key)) return false;
  failures.push({ key, at });
  if (failures.length > kept) failures.shift();
  return true;
}

/** Distinct executions that failed since a moment, as far back as they are remembered. */
export function failingSince({ failures }: FailingKeys, since: number): number {
  return failures.filter(({ at }) => at >= since).length;
}
