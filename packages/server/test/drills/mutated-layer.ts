/** A layer that does too little, or the wrong thing, where it should move the world. */
import { Fault } from "../../src/fault.ts";
import type { Layer, LayerKind } from "../../src/layers/layer.ts";
import type { Seams } from "../../src/main.ts";

/** Beginning of what a mutant says that breaks where it should only do too little. */
export const mutantBroke = "the mutant itself broke";

export const idle = async () => {};

/** `layer` with another `apply`; its `verify` stays the true one. */
export function doing<K extends LayerKind>(
  kind: K,
  apply: (ours: Layer<K>, ...args: Parameters<Layer<K>["apply"]>) => Promise<void>,
): Seams {
  return {
    layers: (ours) => {
      const own = ours[kind] as Layer<K>;
      const mutant: Layer<K> = {
        ...own,
        async apply(...args) {
          try {
            await apply(own, ...args);
          } catch (error) {
            // A fault is the layer's own answer, and the recovery's to act upon.
            if (error instanceof Fault) throw error;
            throw new Error(`${mutantBroke}: ${String(error)}`, { cause: error });
          }
        },
      };
      return { ...ours, [kind]: mutant };
    },
  };
}
