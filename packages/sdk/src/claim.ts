import type { ClaimCheck, MessageDelivery } from "./api/messages.ts";
import { Fault } from "./fault.ts";
import type { Client } from "./operations.ts";

/** A message's content, also where it was too large to travel and lies in state. */
export async function payloadOf(
  client: Pick<Client, "getDocument">,
  message: Pick<MessageDelivery, "payload" | "id">,
): Promise<unknown> {
  const check = claimCheckOf(message.payload);
  if (check === null) return message.payload;
  const bytes = new Uint8Array(check.bytes);
  let at = 0;
  for (const part of check.parts) {
    const { body } = await client.getDocument(check.collection, part);
    const { text } = body as { text: string };
    const some = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    bytes.set(some.subarray(0, bytes.length - at), at);
    at += some.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== check.sha256) {
    throw new Fault(
      "chain_broken",
      `The content of message ${message.id} in ${check.collection} is not what was sent: ask its sender.`,
    );
  }
  return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
}

function claimCheckOf(payload: unknown): ClaimCheck | null {
  if (typeof payload !== "object" || payload === null || !("claimCheck" in payload)) return null;
  return payload.claimCheck as ClaimCheck;
}
