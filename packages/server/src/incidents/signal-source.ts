import { Fault } from "../fault.ts";
import type { Signals } from "../signals/signals.ts";
import type { SignalSource } from "./neighbours.ts";

/** The signals room as incidents see it. */
export function signalSourceOf(
  signals: Pick<Signals, "onVerdict" | "status" | "contrast" | "reportsOf">,
): SignalSource {
  return {
    onVerdict: signals.onVerdict,
    stateOf(service, rule, dimension) {
      const found = signals.status(service).rules.find((each) => each.rule === rule);
      if (found === undefined) return "gone";
      const segment = found.segments.find((each) => each.dimension === dimension);
      const verdict = dimension === null ? found.verdict : (segment?.verdict ?? "insufficient");
      if (verdict === "hold") return "well";
      return verdict === "insufficient" ? "unknown" : "bad";
    },
    async contrast(service, rule, exposedAt) {
      try {
        return await signals.contrast(service, rule, exposedAt);
      } catch (error) {
        // The rule is no longer in force, or never was: people's reports have none.
        if (error instanceof Fault && error.code === "not_found") return null;
        throw error;
      }
    },
    reporters: async (service, since) => (await signals.reportsOf(service, since)).reporters,
  };
}
