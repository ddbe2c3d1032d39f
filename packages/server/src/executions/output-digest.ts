import { createHash } from "node:crypto";
import { canonical, type Json } from "../json/canonical.ts";

/** What an output is compared by, in hex: texts without what surrounds them, anything else as it is. */
export function digestOf(output: Json): string {
  const plain = typeof output === "string" ? output.trim() : output;
  return createHash("sha256").update(canonical(plain)).digest("hex");
}
