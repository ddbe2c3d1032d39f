import { type Call, segment } from "../call.ts";

export type LayerName =
  | "code"
  | "state"
  | "messages"
  | "versions"
  | "runtime"
  | "data"
  | "effects"
  | "fleet";

/** One alteration by one actor in one layer. Times are ISO 8601 in UTC. */
export interface Change {
  readonly id: string;
  readonly at: string;
  readonly layer: LayerName;
  /** What was done, in the layer's words: `commit`, `put`, `deploy`, `publish`. */
  readonly kind: string;
  /** What was altered, in the layer's words: a repository, `collection/id`, a service, a stream. */
  readonly target: string;
  /** Who: an agent's name, or a person as `token:<name>`. */
  readonly agent: string;
  readonly task: string | null;
  readonly session: string | null;
  /** The target's revision or version before and after. */
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
  /** The changes that this one takes back. */
  readonly reverts: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
  readonly exposures: readonly Exposure[];
}

/** A change became live in a service at a time, together with the others of the same deploy. */
export interface Exposure {
  readonly service: string;
  readonly exposedAt: string;
  readonly deploy: string | null;
}

export interface ChangeQuery {
  /** An ISO time, or a span back from now such as `2h`. */
  readonly since?: string;
  readonly until?: string;
  readonly agent?: string;
  readonly task?: string;
  readonly layer?: LayerName;
  readonly target?: string;
  /** Only changes that could reach this service through the declared dependency graph. */
  readonly reaching?: string;
  /** At most this many, newest first. 1 to 1,000; default 100. */
  readonly limit?: number;
}

export interface ChangePage {
  readonly changes: readonly Change[];
  /** True when there are more than `limit`: narrow the window. */
  readonly more: boolean;
}

export function ledgerApi(call: Call) {
  return {
    changes: (query: ChangeQuery = {}, signal?: AbortSignal) =>
      call<ChangePage>("GET", "/v1/changes", { query: { ...query }, ...(signal && { signal }) }),
    change: (id: string) => call<Change>("GET", `/v1/changes/${segment(id)}`),
  };
}
