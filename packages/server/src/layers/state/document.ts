/** Documents that agents share: `(collection, id)`, each a chain of versions. */

import type { ChangeId } from "../../ids.ts";
import type { Json } from "../../json/canonical.ts";

export interface DocumentName {
  readonly collection: string;
  readonly id: string;
}

/** Letters, digits, `.`, `_`, `-`; a target `collection/id` is split at its only slash. */
export const collectionPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;

/** Of the canonical text, in UTF-8. */
export const bodyBytesMax = 1_048_576;
/** Documents in one act: a revert, a recovery's step. */
export const actDocumentsMax = 1_000;

/** What a version did, and its byte in the hash. Never renumbered. */
export const operations = { put: 1, remove: 2, restore: 3, revert: 4, erase: 5 } as const;
export type Operation = keyof typeof operations;

export function operationOf(byte: number): Operation {
  const found = Object.entries(operations).find(([, each]) => each === byte);
  if (found === undefined) throw new Error(`no operation has the byte ${byte}`);
  return found[0] as Operation;
}

/** How the ledger names a document. */
export function targetOf({ collection, id }: DocumentName): string {
  return `${collection}/${id}`;
}

export function nameOfTarget(target: string): DocumentName {
  const slash = target.indexOf("/");
  return { collection: target.slice(0, slash), id: target.slice(slash + 1) };
}

/** The envelope of one version. Times are microseconds since 1970; hashes are hex. */
export interface Version extends DocumentName {
  readonly version: number;
  readonly atUs: number;
  readonly operation: Operation;
  readonly agent: string;
  readonly task: string | null;
  readonly session: string | null;
  readonly reason: string;
  readonly change: ChangeId;
  readonly act: ChangeId | null;
  readonly previousHash: string | null;
  readonly hash: string;
  readonly derivedFrom: readonly string[];
  readonly body: Body;
}

/** What a version holds. An erased body is gone for good; its hash stays in the chain. */
export type Body =
  | { readonly kind: "json"; readonly text: string }
  | { readonly kind: "removed" }
  | { readonly kind: "erased" };

/** Who writes, and for what. */
export interface Author {
  readonly agent: string;
  readonly task: string | null;
  readonly session: string | null;
  readonly reason: string;
}

/** One document to be written. */
export interface Write extends DocumentName, Author {
  /** n > 0: only on top of version n. 0: only if there was never one. null: on top of what is there. */
  readonly expect: number | null;
  readonly operation: Operation;
  /** Canonical text; null removes the document. */
  readonly body: string | null;
  readonly change: ChangeId;
  readonly act?: ChangeId;
  readonly reverts?: readonly ChangeId[];
  readonly derivedFrom?: readonly string[];
  readonly details?: Readonly<Record<string, Json>>;
}

/** What came of a write: the new version, or the one that was there instead (0: none). */
export type Written =
  | {
      readonly ok: true;
      readonly version: number;
      readonly atUs: number;
      readonly hash: string;
    }
  /** The version that is there (0: none), or `fenced`: the session that wrote is over. */
  | { readonly ok: false; readonly actual: number | "fenced" };
