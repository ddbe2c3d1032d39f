import { Fault } from "../fault.ts";
import { canonical, type Json } from "./canonical.ts";

/**
 * A value as it can be kept: plain JSON, null where there is none, and not larger than `bytesMax` as canonical
 * text. Faults `too_large`, and those of `canonical`; `what` names the value.
 */
export function jsonWithin(value: unknown, bytesMax: number, what: string): Json {
  const text = canonical(value ?? null);
  const size = Buffer.byteLength(text);
  if (size <= bytesMax) return JSON.parse(text) as Json;
  throw new Fault(
    "too_large",
    `The ${what} has ${size} bytes of JSON, and ${bytesMax} are kept: put it into a document or a file, and name that.`,
    { context: { path: what, size } },
  );
}
