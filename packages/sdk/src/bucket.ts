/**
 * Which release a key gets: the same one everywhere, in every language, with nothing but arithmetic.
 *
 *     bucket = floor(murmur3_x86_32(utf8(artifact + key), 0) * total / 2^32)
 *
 *   B1. A key's release follows from artifact, key and shares alone.
 *   B2. The last share grows at the cost of those before it: raising it moves no key that it already has.
 */
import type { PinShare } from "./api/releases.ts";

const c1 = 0xcc9e2d51;
const c2 = 0x1b873593;

/** MurmurHash3 x86 32-bit with seed 0, of the text's UTF-8. An unsigned integer. */
export function murmur3(text: string): number {
  const { length } = text;
  let hash = 0;
  let index = 0;
  for (const whole = length - (length % 4); index < whole; index += 4) {
    const one = text.charCodeAt(index);
    const two = text.charCodeAt(index + 1);
    const three = text.charCodeAt(index + 2);
    const four = text.charCodeAt(index + 3);
    if ((one | two | three | four) > 0x7f) return murmur3OfBytes(new TextEncoder().encode(text));
    hash = mixed(hash, one | (two << 8) | (three << 16) | (four << 24));
  }
  let tail = 0;
  for (let at = length - 1; at >= index; at--) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return murmur3OfBytes(new TextEncoder().encode(text));
    tail = (tail << 8) | code;
  }
  return finished(hash, tail, length);
}

function murmur3OfBytes(bytes: Uint8Array): number {
  const { length } = bytes;
  const at = (index: number) => bytes[index] ?? 0;
  let hash = 0;
  let index = 0;
  for (const whole = length - (length % 4); index < whole; index += 4) {
    const low = at(index) | (at(index + 1) << 8);
    hash = mixed(hash, low | (at(index + 2) << 16) | (at(index + 3) << 24));
  }
  let tail = 0;
  for (let each = length - 1; each >= index; each--) tail = (tail << 8) | at(each);
  return finished(hash, tail, length);
}

function mixed(hash: number, block: number): number {
  const k = Math.imul(block, c1);
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), c2);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finished(hash: number, tail: number, length: number): number {
  const k = Math.imul(tail, c1);
  let h = hash ^ Math.imul((k << 15) | (k >>> 17), c2) ^ length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** From 0 to `total - 1`. `total` is at most 10,000, so that the product is exact. */
export function bucketOf(artifact: string, key: string, total: number): number {
  return Math.floor((murmur3(artifact + key) * total) / 0x1_0000_0000);
}

/** The index of the share that the key falls into. `shares` is not empty. */
export function chosen(shares: readonly PinShare[], artifact: string, key: string): number {
  let total = 0;
  for (const { share } of shares) total += share;
  let left = bucketOf(artifact, key, total);
  let index = 0;
  for (const { share } of shares) {
    if (left < share) return index;
    left -= share;
    index += 1;
  }
  return shares.length - 1;
}
