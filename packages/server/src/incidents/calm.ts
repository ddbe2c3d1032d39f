import type { RuleStatus, Service } from "@lastgood/sdk";
import type { Calm } from "./check-habits.ts";

const settledMs = 5_000;

/** The services that have served one revision for a while, with a rule that holds and none that is bad. */
export function calmAmong(
  services: readonly Service[],
  rules: readonly RuleStatus[],
  now: Date,
): readonly Calm[] {
  return services.flatMap(({ name, repository, revision, state, since }) => {
    if (repository === null || revision === null || since === null || state !== "serving")
      return [];
    if (now.getTime() - new Date(since).getTime() < settledMs) return [];
    const own = rules.filter((rule) => rule.service === name);
    const well = own.some((rule) => rule.verdict === "hold");
    const bad = own.some((rule) => rule.verdict === "regression" || rule.verdict === "drift");
    return well && !bad ? [{ service: name, repository, revision }] : [];
  });
}
