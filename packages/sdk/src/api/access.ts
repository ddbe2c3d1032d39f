import { type Call, segment } from "../call.ts";

export type TokenRole = "viewer" | "agent" | "operator" | "admin";

/** A token as it is kept: its secret is seen once, when it is made. */
export interface Token {
  readonly id: string;
  readonly role: TokenRole;
  readonly name: string;
  /** The agent that an agent's token is bound to. */
  readonly agent: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  /** Why it is contained; null for a token that works. */
  readonly suspendedBecause: string | null;
  readonly revokedAt: string | null;
}

export interface NewToken {
  readonly role: TokenRole;
  /** Who will use it, for the ledger and the audit. */
  readonly name: string;
  /** Required for the role `agent`, refused for any other. */
  readonly agent?: string;
  /** A span such as `90d`; without it the token does not expire. */
  readonly expiresIn?: string;
}

export interface CreatedToken extends Token {
  /** What to present. It is not kept, and cannot be shown again. */
  readonly secret: string;
}

/** Something that was done or denied, and to whom. */
export interface Audit {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: "done" | "denied";
  readonly because: string;
}

export interface AuditQuery {
  /** An ISO time, or a span back from now such as `2h`. */
  readonly since?: string;
  readonly until?: string;
  readonly actor?: string;
  readonly outcome?: "done" | "denied";
  /** At most this many, newest first. 1 to 1,000; default 100. */
  readonly limit?: number;
}

export interface AuditPage {
  readonly audits: readonly Audit[];
  /** True when there are more than `limit`: narrow the window. */
  readonly more: boolean;
}

export interface Health {
  /** `ok`, or `degraded` while PostgreSQL is away (and the answer's status is 503). */
  readonly status: "ok" | "degraded";
  readonly version: string;
  /** The git revision that the server runs from, where it is known. */
  readonly revision: string | null;
  readonly store: { readonly reachable: boolean; readonly latencyMs: number | null };
}

export function accessApi(call: Call) {
  return {
    tokens: () => call<{ readonly tokens: readonly Token[] }>("GET", "/v1/tokens"),
    createToken: (token: NewToken) => call<CreatedToken>("POST", "/v1/tokens", { body: token }),
    revokeToken: (id: string) => call<Token>("POST", `/v1/tokens/${segment(id)}/revoke`),
    audits: (query: AuditQuery = {}) =>
      call<AuditPage>("GET", "/v1/audits", { query: { ...query } }),
    health: () => call<Health>("GET", "/health"),
  };
}
