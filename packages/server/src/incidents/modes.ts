import type { Config, Mode } from "../config/config.ts";
import type { LayerKind, Step } from "../layers/layer.ts";

const strictness: Readonly<Record<Mode, number>> = { watch: 0, propose: 1, auto: 2 };

/** The strictest of them; `auto` when there are none. */
export function strictest(modes: readonly Mode[]): Mode {
  return modes.reduce<Mode>(
    (strict, each) => (strictness[each] < strictness[strict] ? each : strict),
    "auto",
  );
}

/** What counts for acting on these services in these layers: the strictest of general, service and layer. */
export function modeOf(
  config: Config,
  services: readonly string[],
  layers: readonly LayerKind[],
): Mode {
  return strictest([
    config.mode,
    ...services.flatMap((service) => config.services[service]?.mode ?? []),
    ...layers.flatMap((layer) =>
      layer === "fleet" || layer === "signals" ? [] : (config.modes[layer] ?? []),
    ),
  ]);
}

/** The layers that a plan moves, and the services it sets to another revision. */
export function touchedBy(steps: readonly Step[]): {
  readonly layers: readonly LayerKind[];
  readonly services: readonly string[];
} {
  return {
    layers: [...new Set(steps.map((step) => step.layer))],
    services: [
      ...new Set(steps.flatMap((step) => (step.layer === "runtime" ? [step.action.service] : []))),
    ],
  };
}
