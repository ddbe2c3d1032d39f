import type { RepositoryName } from "../ids.ts";

/** A commit as read from our own bare repository. Ids are full object ids. */
export interface Commit {
  readonly id: string;
  readonly parents: readonly string[];
  readonly authorEmail: string;
  readonly authorName: string;
  readonly committedAt: Date;
  readonly subject: string;
  readonly trailers: Readonly<Record<string, readonly string[]>>;
  readonly paths: readonly string[];
  /** `git patch-id --stable`; null for merges and empty commits. */
  readonly patchId: string | null;
}

/** Our own bare repository of one registered repository: the only place in which git ever runs. */
export interface Mirror {
  readonly repository: RepositoryName;
  readonly branch: string;
  /** Fetches, and returns the branch's tip; null for a branch without commits. */
  fetch(signal: AbortSignal): Promise<string | null>;
  /** The tip as last fetched. */
  tip(): Promise<string | null>;
  /** Oldest first: what is reachable from `to` and not from `from` (null: all, bounded). */
  commitsBetween(from: string | null, to: string, limit: number): Promise<readonly Commit[]>;
  commit(id: string): Promise<Commit>;
  isAncestor(ancestor: string, descendant: string): Promise<boolean>;
  /** Writes the plain files of a revision into an empty directory: no `.git`, no filters, no hooks. */
  checkout(revision: string, directory: string, signal: AbortSignal): Promise<void>;
  /** The content of one file at a revision, at most `bytesMax`; null where there is none. */
  readFile(revision: string, path: string, bytesMax: number): Promise<Buffer | null>;
}

export interface Mirrors {
  /** `not_found` for a repository that is not registered. */
  of(repository: string): Promise<Mirror>;
}
