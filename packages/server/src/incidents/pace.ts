/** How long to wait for what only time tells. */
export interface Pace {
  readonly observeEveryMs: number;
  /** How long the other observations may take to settle where no rerun can say more. */
  readonly settleMs: number;
  /** The ledger may learn of a deploy a moment after its damage shows. */
  readonly lateLedgerMs: number;
}

export const usualPace: Pace = { observeEveryMs: 500, settleMs: 5_000, lateLedgerMs: 3_000 };

/** Resolves after so long, or at once when the signal says so. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
