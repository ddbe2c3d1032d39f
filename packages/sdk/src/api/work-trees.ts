import type { CheckpointCommit } from "./checkpoints.ts";

/** One file of a work tree that differs from its last commit. */
export interface UncommittedFile {
  /** Relative to the work tree; nested repositories included. */
  readonly path: string;
  readonly status: "new" | "modified" | "deleted";
  /** `other`: a device, a pipe or a socket, which is never opened. */
  readonly kind: "file" | "link" | "other";
  readonly bytes: number;
  /** Of the whole file as it is; null where it is no text or was not read. */
  readonly lines: number | null;
  readonly words: number | null;
  /** Lines and words that the last commit did not have. */
  readonly newLines: number | null;
  readonly newWords: number | null;
  /** The end of what is new, at most 1,000 characters. */
  readonly excerpt: string | null;
}

/** What was read of an agent's work tree, without running anything that it asks for. */
export interface WorkTreeReport {
  readonly path: string;
  readonly host: string;
  readonly readAt: string;
  /** `disk`: read where it is. `saved`: the copy last saved by `agent run`, since the disk could not be read. */
  readonly source: "disk" | "saved";
  readonly branch: string | null;
  /** The last commit; null in a repository without one, or where there is no repository. */
  readonly head: string | null;
  /** The last 20 of the branch, newest first. */
  readonly commits: readonly CheckpointCommit[];
  /** At most 500, by path. */
  readonly files: readonly UncommittedFile[];
  /** How many more there are. */
  readonly more: number;
  /** Left by whoever died: `index.lock`, a merge or rebase under way. */
  readonly leftovers: readonly string[];
  /** What could not be read, and why. */
  readonly unread: readonly string[];
}
