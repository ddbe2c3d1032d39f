/**
 * Every way a request can fail that its caller may want to act on: one table for HTTP, CLI, SDK and MCP.
 *
 * - `status`: the HTTP status of the problem details.
 * - `exit`: the exit code of the CLI: 2 bad input, 3 not found, 4 not allowed, 5 the world is not as
 *   expected, 6 something needed is away, 7 a person is needed.
 * - `retry`: whether the same request may succeed later.
 */
export const faults = {
  bad_input: { status: 400, exit: 2, retry: "never" },
  bad_configuration: { status: 422, exit: 2, retry: "never" },
  too_large: { status: 413, exit: 2, retry: "never" },
  too_deep: { status: 400, exit: 2, retry: "never" },
  unsupported_media_type: { status: 415, exit: 2, retry: "never" },
  too_many: { status: 429, exit: 6, retry: "later" },

  not_found: { status: 404, exit: 3, retry: "never" },

  unauthenticated: { status: 401, exit: 4, retry: "never" },
  token_expired: { status: 401, exit: 4, retry: "never" },
  forbidden: { status: 403, exit: 4, retry: "never" },
  not_yours: { status: 403, exit: 4, retry: "never" },
  beyond_authority: { status: 403, exit: 7, retry: "never" },
  contained: { status: 403, exit: 4, retry: "later" },
  approval_needed: { status: 403, exit: 7, retry: "never" },

  already_exists: { status: 409, exit: 5, retry: "never" },
  version_conflict: { status: 409, exit: 5, retry: "after-replanning" },
  state_forbids: { status: 409, exit: 5, retry: "never" },
  plan_stale: { status: 409, exit: 5, retry: "after-replanning" },
  effect_unknown: { status: 409, exit: 7, retry: "never" },
  parked: { status: 409, exit: 7, retry: "never" },
  fenced: { status: 409, exit: 5, retry: "never" },
  target_busy: { status: 409, exit: 5, retry: "later" },
  frozen: { status: 409, exit: 7, retry: "never" },
  cap_reached: { status: 409, exit: 7, retry: "never" },
  was_rolled_back: { status: 409, exit: 5, retry: "never" },
  release_exists: { status: 409, exit: 5, retry: "never" },
  policy_missing: { status: 409, exit: 5, retry: "never" },
  review_missing: { status: 409, exit: 7, retry: "never" },
  not_on_branch: { status: 409, exit: 5, retry: "never" },
  nothing_to_revert: { status: 409, exit: 5, retry: "never" },
  revert_conflicts: { status: 409, exit: 7, retry: "never" },
  history_rewritten: { status: 409, exit: 7, retry: "never" },
  branch_checked_out: { status: 409, exit: 5, retry: "never" },
  irreversible: { status: 409, exit: 7, retry: "never" },
  chain_broken: { status: 409, exit: 7, retry: "never" },
  schema_too_new: { status: 409, exit: 5, retry: "never" },
  already_open: { status: 409, exit: 5, retry: "never" },

  not_healthy: { status: 409, exit: 5, retry: "later" },
  command_failed: { status: 502, exit: 6, retry: "later" },

  layer_unreachable: { status: 503, exit: 6, retry: "later" },
  store_unreachable: { status: 503, exit: 6, retry: "later" },
  server_unreachable: { status: 503, exit: 6, retry: "later" },
  timed_out: { status: 504, exit: 6, retry: "later" },
  missing_program: { status: 503, exit: 6, retry: "never" },

  internal: { status: 500, exit: 1, retry: "never" },
} as const satisfies Record<
  string,
  { status: number; exit: number; retry: "never" | "after-replanning" | "later" }
>;

export type FaultCode = keyof typeof faults;

/** Where in the caller's input the fault lies, and anything else worth acting on. Plain JSON. */
export interface FaultContext {
  /** A JSON pointer into the body, a query parameter's name, or `file:line:column`. */
  readonly path?: string;
  readonly [key: string]: unknown;
}

/**
 * A failure with a code. The message says what happened, to which id, and what to do now.
 * Anything thrown that is not a `Fault` is a bug, and answers 500 with a request id.
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly context: FaultContext;

  constructor(
    code: FaultCode,
    message: string,
    options: { cause?: unknown; context?: FaultContext } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
  }
}

export function isFaultCode(text: unknown): text is FaultCode {
  return typeof text === "string" && Object.hasOwn(faults, text);
}
