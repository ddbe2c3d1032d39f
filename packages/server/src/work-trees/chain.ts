/**
 * How the saves of a session hang together: each stands on the one before, for so long; then a new chain begins
 * that stands on nothing, so that old saves can be forgotten while the session lives. What the session found is
 * never forgotten before the session is.
 */

export interface Link {
  /** Which chain of the session, from 0. */
  readonly chain: number;
  /** Which save of it, from 1. */
  readonly place: number;
  /** What the chain's saves have written, before it was packed. */
  readonly bytes: number;
}

const savesMax = 50;
const bytesMax = 67_108_864;
/** Chains that are kept beside the current one. */
const pastMax = 10;

export function nextLink(before: Link | null, bytes: number): Link {
  if (before === null) return { chain: 0, place: 1, bytes };
  if (isFull(before)) return { chain: before.chain + 1, place: 1, bytes };
  return { chain: before.chain, place: before.place + 1, bytes: before.bytes + bytes };
}

export function isFull({ place, bytes }: Link): boolean {
  return place >= savesMax || bytes >= bytesMax;
}

/** Whether it wrote so much that what was forgotten should go from the disk soon. */
export function isHeavy({ bytes }: Link): boolean {
  return bytes >= bytesMax;
}

export function isForgotten(chain: number, current: Link): boolean {
  return chain < current.chain - pastMax;
}

export function linkText({ chain, place, bytes }: Link): string {
  return `${chain} ${place} ${bytes}`;
}

/** One that says nothing of it is the first of its own. */
export function parseLink(text: string | null): Link {
  const [, chain = 0, place = 1, bytes = 0] = (
    /^(\d{1,9}) (\d{1,9}) (\d{1,15})$/.exec(text ?? "") ?? []
  ).map(Number);
  return { chain, place, bytes };
}
