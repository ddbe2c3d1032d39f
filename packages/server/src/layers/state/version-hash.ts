/**
 * The formulas of the chain. `||` joins bytes; numbers are big-endian int8.
 *
 *     doc       = SHA256(utf8(collection) || 0 || utf8(id))
 *     actor     = the first 16 bytes of SHA256(0x03 || utf8(agent))
 *     body_hash = SHA256(0x02 || salt16 || utf8(canonical body))        nothing for a removed document
 *     hash      = SHA256(0x10 || doc || prev or 32 zeros || ver || at_us || change16 || actor || op || body_hash)
 *
 * PostgreSQL makes `hash` under the head's lock (`document_version_hash`); here it is made again to verify.
 */
import { hash } from "node:crypto";
import type { DocumentName } from "./document.ts";

export function documentKey({ collection, id }: DocumentName): Buffer {
  return sha256(`${collection}\0${id}`);
}

export function actorKey(agent: string): Buffer {
  return sha256(`\x03${agent}`).subarray(0, 16);
}

export function bodyHash(salt: Uint8Array, body: string | null): Buffer {
  return sha256(Buffer.concat([Buffer.of(0x02), salt, Buffer.from(body ?? "")]));
}

export interface Link {
  readonly doc: Uint8Array;
  readonly prev: Uint8Array | null;
  readonly ver: number;
  readonly atUs: number;
  readonly change: string;
  readonly agent: string;
  readonly op: number;
  readonly bodyHash: Uint8Array;
}

export function versionHash(link: Link): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigInt64BE(BigInt(link.ver), 0);
  numbers.writeBigInt64BE(BigInt(link.atUs), 8);
  return sha256(
    Buffer.concat([
      Buffer.of(0x10),
      link.doc,
      link.prev ?? Buffer.alloc(32),
      numbers,
      Buffer.from(link.change.replaceAll("-", ""), "hex"),
      actorKey(link.agent),
      Buffer.of(link.op),
      link.bodyHash,
    ]),
  );
}

function sha256(data: string | Uint8Array): Buffer {
  return hash("sha256", data, "buffer");
}
