/**
 * A floor says that the new release is bad; a control says whether everybody is. Where both suffer
 * alike the cause is shared, and putting the release back would mend nothing.
 */
import { levelSince, type SustainState } from "./sustain.ts";

/** Fewer samples of the control say nothing about it. */
export const controlSamplesMin = 20;

/**
 * Whether a floor alarm with this onset may count against what carries the change: only when the
 * control has at least 20 samples since the onset and they lie at its own floor or above. A control
 * without data never clears an alarm to act.
 */
export function isControlFine(control: SustainState, floor: number, onset: number): boolean {
  const { n, mean } = levelSince(control, onset);
  return n >= controlSamplesMin && mean >= floor;
}
