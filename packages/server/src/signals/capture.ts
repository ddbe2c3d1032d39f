import type { Undo } from "../layers/layer.ts";
import type { Signals } from "./signals.ts";

/** The last samples of every signal of the damaged services, a JSON line each, for the capture of the bad window. */
export function captureSamples({ recentSamples }: Pick<Signals, "recentSamples">) {
  return {
    kind: "samples",
    async collect({ services }: Undo) {
      return services.flatMap((service) =>
        recentSamples(service).map(({ signal, samples }) => ({
          name: `${service}.${signal}`,
          content: samples.map((sample) => JSON.stringify(sample)).join("\n"),
        })),
      );
    },
  };
}
