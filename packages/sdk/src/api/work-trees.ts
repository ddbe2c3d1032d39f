import { type Call, segment } from "../call.ts";
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

/**
 * Why a work tree was saved: the session began, it changed, the session ended; and by whoever takes edits
 * back, before and after. A `part` of a large one is sent before the rest.
 */
export type SaveKind = "start" | "change" | "end" | "before-undo" | "undone" | "part";

/** What the server holds of a session's work tree. */
export interface SavedWorkTree {
  readonly session: string;
  readonly agent: string;
  /** A commit whose tree is the work tree as it was; null while nothing was saved. */
  readonly save: string | null;
  readonly savedAt: string | null;
  /** As read when it was saved; its `source` is `saved`. */
  readonly report: WorkTreeReport | null;
  /** Saves of the agent's that the server holds, newest first: what is sent next may stand on them. */
  readonly holds: readonly string[];
}

export function workTreesApi(call: Call) {
  const of = (session: string) => `/v1/sessions/${segment(session)}/work-tree`;
  return {
    savedWorkTree: (session: string, signal?: AbortSignal) =>
      call<SavedWorkTree>("GET", of(session), { ...(signal && { signal }) }),
    /**
     * A git bundle of two refs: `refs/lastgood/save`, a commit whose tree is the work tree, and
     * `refs/lastgood/report`, its `WorkTreeReport` as JSON. It may stand on what the server holds
     * (`version_conflict` where that is gone), and has at most 64 MiB. `fenced` once another session of the
     * agent has begun, or this one has been over for five minutes.
     */
    saveWorkTree: (session: string, bundle: Uint8Array, signal?: AbortSignal) =>
      call<SavedWorkTree>("PUT", of(session), {
        body: bundle,
        timeoutMs: 120_000,
        ...(signal && { signal }),
      }),
    /** The latest save with its report as a bundle that stands on nothing, to restore it anywhere. */
    workTreeBundle: (session: string, signal?: AbortSignal) =>
      call<Uint8Array>("GET", `${of(session)}/bundle`, {
        answer: "bytes",
        timeoutMs: 120_000,
        ...(signal && { signal }),
      }),
  };
}
