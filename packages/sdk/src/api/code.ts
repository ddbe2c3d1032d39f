import { type Call, segment } from "../call.ts";

/** A git repository whose branch Lastgood watches, and reverts on. Times are ISO 8601 in UTC. */
export interface Repository {
  readonly name: string;
  /** The path or URL that git fetches from. */
  readonly url: string;
  readonly branch: string;
  /** How a revert reaches the branch: pushed, or offered as a branch for a pull request. */
  readonly deliver: "push" | "branch";
  /** The name of the server's environment variable that holds the remote's secret. */
  readonly credentials: string | null;
  readonly pollMs: number;
  /** From lastgood.yaml, or registered since. */
  readonly source: "configuration" | "registered";
  /** `starting`: not looked at yet. `empty`: the branch has no commits. `failing`: see `problem`. */
  readonly state: "starting" | "watching" | "empty" | "failing";
  readonly tip: string | null;
  readonly lookedAt: string | null;
  readonly problem: {
    readonly code: string;
    readonly detail: string;
    readonly since: string;
  } | null;
  /** Bars in force. */
  readonly bars: number;
}

export interface NewRepository {
  readonly name: string;
  readonly url: string;
  /** Default `main`. */
  readonly branch?: string;
  /** Default `push`. */
  readonly deliver?: "push" | "branch";
  /** A variable of the server's environment whose name starts with `LASTGOOD_GIT_`. */
  readonly credentials?: string;
  /** Such as `2s`, the default. */
  readonly poll?: string;
}

/** What was rolled back and is refused until its incident is closed or an operator lifts the bar. */
export interface Bar {
  readonly id: string;
  readonly repository: string;
  readonly commit: string;
  readonly subject: string;
  /** `git patch-id --stable`: another commit with it is refused too. */
  readonly patchId: string | null;
  /** The commit that rolled it back. */
  readonly revertCommit: string;
  readonly incident: string | null;
  readonly because: string;
  readonly barredBy: string;
  readonly barredAt: string;
  readonly lifted: { readonly at: string; readonly by: string; readonly because: string } | null;
}

/** A commit on a watched branch, and whether it may be deployed. */
export interface CommitReport {
  readonly id: string;
  readonly parents: readonly string[];
  readonly author: { readonly name: string; readonly email: string };
  readonly committedAt: string;
  readonly subject: string;
  readonly patchId: string | null;
  /** At most 1,000. */
  readonly paths: readonly string[];
  /** Its change in the ledger; null for one from before Lastgood looked. */
  readonly change: string | null;
  readonly onBranch: boolean;
  /** The bar that refuses it. */
  readonly barred: Bar | null;
}

export interface BarQuery {
  readonly repository?: string;
  readonly incident?: string;
  /** Also those that were lifted. */
  readonly all?: boolean;
}

export function codeApi(call: Call) {
  return {
    repositories: () =>
      call<{ readonly repositories: readonly Repository[] }>("GET", "/v1/repositories"),
    repository: (name: string) => call<Repository>("GET", `/v1/repositories/${segment(name)}`),
    /** Checks that the remote can be read, registers it, and records its last 500 commits. */
    addRepository: (body: NewRepository) =>
      call<Repository>("POST", "/v1/repositories", { body, timeoutMs: 180_000 }),
    removeRepository: (name: string) => call<void>("DELETE", `/v1/repositories/${segment(name)}`),
    /** Something was pushed. With `wait`, answers when the ledger knows it. */
    repositoryPushed: (name: string, { wait = false }: { readonly wait?: boolean } = {}) =>
      call<Repository>("POST", `/v1/repositories/${segment(name)}/pushed`, {
        query: { wait },
        timeoutMs: 180_000,
      }),
    /** The id may be shortened to 7 digits. */
    commit: (repository: string, id: string) =>
      call<CommitReport>("GET", `/v1/repositories/${segment(repository)}/commits/${segment(id)}`),
    bars: (query: BarQuery = {}) =>
      call<{ readonly bars: readonly Bar[] }>("GET", "/v1/bars", { query: { ...query } }),
    liftBar: (id: string, because: string) =>
      call<Bar>("POST", `/v1/bars/${segment(id)}/lift`, { body: { because } }),
  };
}
