import { type Call, segment } from "../call.ts";

/** What a commit message says by the checkpoint convention; null where it says nothing of it. */
export interface CheckpointMarks {
  /** Conventional type and scope: `feat(marketing): …`. */
  readonly type: string | null;
  readonly scope: string | null;
  /** The subject without type, scope and marks. */
  readonly summary: string;
  readonly task: string | null;
  readonly subtask: { readonly n: number; readonly of: number } | null;
}

/** A commit, read as a progress marker. Commits without marks are shown all the same. */
export interface CheckpointCommit extends CheckpointMarks {
  readonly commit: string;
  readonly at: string;
  readonly author: string;
}

/** What `checkpointMessage` writes strictly. */
export interface NewCheckpoint {
  readonly type?: string | undefined;
  readonly scope?: string | undefined;
  readonly summary: string;
  readonly task: string;
  readonly subtask?: { readonly n: number; readonly of: number } | undefined;
  readonly body?: string | undefined;
  /** `subject` puts the marks at the subject's end, `trailers` as trailers. Default `subject`. */
  readonly as?: "subject" | "trailers" | undefined;
}

export interface RecordedCheckpoint extends CheckpointCommit {
  readonly agent: string;
  readonly session: string | null;
  readonly repository: string | null;
}

export function checkpointsApi(call: Call) {
  return {
    /** A commit was made: its message is read for the marks. Repeating it changes nothing. */
    recordCheckpoint: (
      session: string,
      checkpoint: {
        commit: string;
        message: string;
        /** Default: the one that the session's work tree names. */
        repository?: string;
        /** Default: the agent's name. */
        author?: string;
        /** When it was committed. Default: now. */
        at?: string;
      },
    ) =>
      call<RecordedCheckpoint>("POST", `/v1/sessions/${segment(session)}/checkpoints`, {
        body: checkpoint,
      }),
    checkpoints: (
      query: { agent?: string; task?: string; session?: string; limit?: number } = {},
    ) =>
      call<{ checkpoints: readonly RecordedCheckpoint[]; more: boolean }>(
        "GET",
        "/v1/checkpoints",
        {
          query: { ...query },
        },
      ),
  };
}
