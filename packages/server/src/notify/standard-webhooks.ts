/** Signatures as Standard Webhooks 1.0 states them: HMAC-SHA256 over `id.timestamp.body`. */
import { createHmac } from "node:crypto";

const prefix = "whsec_";

/** A secret as receivers are given it, from 32 random bytes. */
export function webhookSecret(random: Uint8Array): string {
  return `${prefix}${Buffer.from(random).toString("base64")}`;
}

/** The three headers of one attempt. `id` is the delivery's and the same on every attempt. */
export function signedHeaders(
  secret: string,
  id: string,
  at: Date,
  body: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const key = Buffer.from(secret.slice(prefix.length), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}
