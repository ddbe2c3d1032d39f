/** Whether what a pin would go back to can be gone to: the reverse gate, asked of each release that gains. */
import type { ReverseGate } from "./reverse-gate.ts";

/** Why one of the releases cannot serve, and which it is; null: all of them can. */
export type Impassable = (
  dial: { readonly environment: string; readonly artifact: string },
  versions: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly version: string; readonly because: string } | null>;

export function createImpassable(reverseGate: ReverseGate): Impassable {
  return async ({ environment, artifact }, versions, signal) => {
    for (const version of versions) {
      const { ok, says } = await reverseGate({ environment, artifact, version }, signal);
      if (ok) continue;
      const because = `${artifact}:${version} is not passable (${says}). Mend it, or go without looking: \`lastgood rollback ${artifact} --unchecked\`.`;
      return { version, because };
    }
    return null;
  };
}
