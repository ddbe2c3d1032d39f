/**
 * Hard failures are not averaged: a health probe that is not ok, a process that exits, a policy
 * violation. `k` in a row alarm, whatever the number of samples; the first good one ends it.
 *
 *   H1. A service that was never seen well did not get worse: only what was once ok can fail a probe.
 *       An exit or a violation needs no such past.
 */

export interface HardState {
  wasOk: boolean;
  inARow: number;
  /** The first failure of the row, in milliseconds; 0 without one. */
  firstAt: number;
  samples: number;
  /** Good samples since the last failure. */
  goodInARow: number;
}

export function newHard(): HardState {
  return { wasOk: false, inARow: 0, firstAt: 0, samples: 0, goodInARow: 0 };
}

/** Takes in one sample; `unconditional` for an exit or a violation (H1). */
export function observeHard(
  state: HardState,
  ok: boolean,
  at: number,
  unconditional: boolean,
): void {
  state.samples += 1;
  if (ok) {
    state.wasOk = true;
    state.inARow = 0;
    state.firstAt = 0;
    state.goodInARow += 1;
    return;
  }
  state.goodInARow = 0;
  if (!state.wasOk && !unconditional) return;
  state.inARow += 1;
  if (state.inARow === 1) state.firstAt = at;
}
