import { type Call, segment } from "../call.ts";

/** Any JSON value. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What a version did. */
export type DocumentOperation = "put" | "remove" | "restore" | "revert" | "erase";

/** The envelope of one version of a document. Times are ISO 8601 in UTC, down to microseconds. */
export interface DocumentVersion {
  readonly collection: string;
  readonly id: string;
  readonly version: number;
  readonly at: string;
  readonly operation: DocumentOperation;
  /** Who: an agent's name, or a person as `token:<name>`. */
  readonly agent: string;
  readonly task: string | null;
  readonly session: string | null;
  readonly reason: string;
  /** The change in the ledger that wrote it. */
  readonly change: string;
  /** SHA-256, hex: of the version before (null: none), and of this one. */
  readonly previousHash: string | null;
  readonly hash: string;
  /** Documents `collection/id` that it was made from. */
  readonly derivedFrom: readonly string[];
  /** `removed`: the document is not there any more. `erased`: this body is gone for good. */
  readonly holds: "body" | "removed" | "erased";
}

export interface Document extends DocumentVersion {
  readonly body: JsonValue;
}

export interface DocumentHead {
  readonly collection: string;
  readonly id: string;
  readonly version: number;
  readonly at: string;
  readonly removed: boolean;
  readonly hash: string;
}

/** Whose write it is, and what for. */
export interface DocumentAuthor {
  /** Only where the token is not an agent's own. */
  readonly agent?: string;
  readonly task?: string;
  readonly session?: string;
  readonly reason?: string;
}

export interface DocumentWrite extends DocumentAuthor {
  /** n > 0: only on top of version n. 0: only if there was never one. Left out: whatever is there. */
  readonly expect?: number;
}

export interface DocumentPut extends DocumentWrite {
  /** At most 1 MiB of canonical JSON. */
  readonly body: JsonValue;
  /** Documents `collection/id` that the body was made from. */
  readonly derivedFrom?: readonly string[];
}

/** A version was written. */
export interface DocumentReceipt {
  readonly collection: string;
  readonly id: string;
  readonly version: number;
  readonly at: string;
  readonly change: string;
  readonly hash: string;
}

export interface RestoredDocument extends DocumentReceipt {
  /** JSON pointers that keep their newer value, because it is stricter. */
  readonly kept: readonly string[];
}

/** One of both: a version's number, or an ISO time (or a span back from now such as `2h`). */
export interface DocumentWhich {
  readonly version?: number;
  readonly at?: string;
}

/** One difference, in the words of RFC 6902; `was` is what is taken away. */
export type DocumentDifference =
  | { readonly op: "add"; readonly path: string; readonly value: JsonValue }
  | { readonly op: "remove"; readonly path: string; readonly was: JsonValue }
  | {
      readonly op: "replace";
      readonly path: string;
      readonly was: JsonValue;
      readonly value: JsonValue;
    };

export interface DocumentDiff {
  readonly from: DocumentVersion;
  readonly to: DocumentVersion;
  readonly differences: readonly DocumentDifference[];
}

/** Which writes: one of `task`, `agent` with `since`, `changes`. All given conditions hold. */
export interface DocumentChangeSet {
  readonly task?: string;
  readonly agent?: string;
  readonly since?: string;
  readonly until?: string;
  readonly changes?: readonly string[];
}

export interface DocumentRevertRequest {
  readonly set: DocumentChangeSet;
  /** Writes nothing, answers what it would do. */
  readonly preview?: boolean;
  /** Also takes back what was made from the reverted documents. */
  readonly withDerived?: boolean;
  /** Takes back what can be, and leaves documents in conflict as they are. */
  readonly leaveConflicts?: boolean;
  readonly reason?: string;
}

export interface DocumentRevertResult {
  /** The act's change in the ledger; null when nothing was written. */
  readonly change: string | null;
  readonly documents: readonly DocumentRevert[];
  readonly derived: readonly DerivedDocument[];
}

export interface DocumentRevert {
  readonly collection: string;
  readonly id: string;
  /** `clean`: untouched since. `merged`: other paths were edited since. `unchanged`: nothing to do. */
  readonly outcome: "clean" | "merged" | "conflict" | "unchanged";
  /** The version that it was planned on, and the one whose body comes back (null: merged or none). */
  readonly from: number;
  readonly restores: number | null;
  readonly takesBack: readonly number[];
  readonly differences: readonly DocumentDifference[];
  readonly conflicts: readonly {
    readonly path: string;
    readonly because: string;
    readonly by: readonly DocumentVersion[];
  }[];
  readonly kept: readonly string[];
}

export interface DerivedDocument {
  readonly collection: string;
  readonly id: string;
  readonly source: string;
  readonly versions: readonly number[];
}

export interface ChainVerification {
  readonly documents: number;
  readonly versions: number;
  readonly erased: number;
  /** The first bad version of each document, and why. Empty: every chain is whole. */
  readonly broken: readonly {
    readonly collection: string;
    readonly id: string;
    readonly version: number;
    readonly why: string;
  }[];
}

export function stateApi(call: Call) {
  const path = (collection: string, id: string) =>
    `/v1/documents/${segment(collection)}/${segment(id)}`;
  return {
    putDocument: (collection: string, id: string, put: DocumentPut) =>
      call<DocumentReceipt>("PUT", path(collection, id), { body: put }),
    getDocument: (collection: string, id: string, which: DocumentWhich = {}) =>
      call<Document>("GET", path(collection, id), { query: { ...which } }),
    removeDocument: (collection: string, id: string, write: DocumentWrite = {}) =>
      call<DocumentReceipt>("POST", `${path(collection, id)}/remove`, { body: write }),
    restoreDocument: (collection: string, id: string, write: DocumentWhich & DocumentWrite) =>
      call<RestoredDocument>("POST", `${path(collection, id)}/restore`, { body: write }),
    eraseDocument: (collection: string, id: string, write: DocumentWrite = {}) =>
      call<DocumentReceipt>("POST", `${path(collection, id)}/erase`, { body: write }),
    documents: (
      collection: string,
      page: { readonly after?: string; readonly limit?: number; readonly removed?: boolean } = {},
    ) =>
      call<{ readonly documents: readonly DocumentHead[]; readonly more: boolean }>(
        "GET",
        `/v1/documents/${segment(collection)}`,
        { query: { ...page } },
      ),
    documentHistory: (
      collection: string,
      id: string,
      page: { readonly before?: number; readonly limit?: number } = {},
    ) =>
      call<{ readonly versions: readonly DocumentVersion[]; readonly more: boolean }>(
        "GET",
        `${path(collection, id)}/history`,
        { query: { ...page } },
      ),
    /** From a version (default: the one before `to`) to another (default: the latest). */
    diffDocument: (
      collection: string,
      id: string,
      between: { readonly from?: number; readonly to?: number } = {},
    ) => call<DocumentDiff>("GET", `${path(collection, id)}/diff`, { query: { ...between } }),
    revertDocuments: (request: DocumentRevertRequest) =>
      call<DocumentRevertResult>("POST", "/v1/document-reverts", { body: request }),
    verifyDocument: (collection: string, id: string) =>
      call<ChainVerification>("GET", `${path(collection, id)}/verification`),
    verifyDocuments: (signal?: AbortSignal) =>
      call<ChainVerification>("GET", "/v1/document-verification", {
        timeoutMs: 600_000,
        ...(signal && { signal }),
      }),
  };
}
