import type { Signals } from "../signals/signals.ts";
import type { SignalSource } from "./neighbours.ts";

/** The signals room as incidents see it. */
export function signalSourceOf(
  signals: Pick<Signals, "onVerdict" | "stateOf" | "contrast" | "reportsOf">,
): SignalSource {
  return {
    onVerdict: signals.onVerdict,
    stateOf: signals.stateOf,
    contrast: signals.contrast,
    reporters: async (service, since) => (await signals.reportsOf(service, since)).reporters,
  };
}
