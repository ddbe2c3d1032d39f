/**
 * The claim check: content that is too large for its stream is put into state, and the message carries
 * a reference. State takes a megabyte a document, so the content goes in parts.
 */
import type { ClaimCheck } from "@lastgood/sdk";
import { sha256 } from "./digest.ts";

/** Puts one part into state under the sender's name. */
export type PutPart = (part: {
  readonly collection: string;
  readonly id: string;
  readonly body: { readonly text: string };
  readonly sender: string;
}) => Promise<void>;

const collection = "message-payloads";
const partBytes = 700_000;

/** The parts are there before the message that refers to them. */
export async function checkIn(
  put: PutPart,
  {
    id,
    payload,
    sender,
  }: { readonly id: string; readonly payload: Buffer; readonly sender: string },
): Promise<ClaimCheck> {
  const parts: string[] = [];
  for (let from = 0; from < payload.length; from += partBytes) {
    const part = `${sha256(Buffer.from(id)).slice(0, 32)}-${parts.length}`;
    const text = payload.subarray(from, from + partBytes).toString("base64");
    await put({ collection, id: part, body: { text }, sender });
    parts.push(part);
  }
  return { collection, parts, bytes: payload.length, sha256: sha256(payload) };
}
