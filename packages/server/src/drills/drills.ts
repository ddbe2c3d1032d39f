import { Fault } from "../fault.ts";
import type { Drill } from "./drill.ts";
import { eviction } from "./eviction/eviction.ts";
import { refundSpec } from "./refund-spec/refund-spec.ts";
import { september } from "./september/september.ts";
import { supportRouter } from "./support-router/support-router.ts";

/** Every drill there is. */
export const drills: readonly Drill[] = [september, eviction, supportRouter, refundSpec];

/** `not_found` names those that there are. */
export function requireDrill(name: string): Drill {
  const found = drills.find((drill) => drill.name === name);
  if (found !== undefined) return found;
  const names = drills.map((drill) => drill.name).join(", ");
  throw new Fault("not_found", `There is no drill ${name.slice(0, 40)}: there is ${names}.`);
}

export function requireVariant(drill: Drill, variant: string | undefined): string | null {
  if (variant === undefined) return null;
  if (drill.variants.includes(variant)) return variant;
  throw new Fault(
    "bad_input",
    `${drill.name} has no variant ${variant.slice(0, 40)}: it has ${drill.variants.join(", ")}.`,
    { context: { path: "--variant" } },
  );
}
