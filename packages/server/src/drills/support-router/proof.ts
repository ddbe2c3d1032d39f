import type { Proof } from "../drill.ts";

export function proof(what: string, holds: boolean, seen: string): Proof {
  return { what, holds, seen };
}
