import { createHash } from "node:crypto";

/** SHA-256 of the bytes, hex. */
export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
