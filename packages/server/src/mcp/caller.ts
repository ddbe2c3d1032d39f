/** Who calls a tool: with which token, and in which session. */
import { type Client, type Connection, createClient, type NewSession } from "@lastgood/sdk";
import { Fault } from "../fault.ts";

/** A session that a tool acts in. */
export interface InSession {
  readonly session: string;
  readonly agent: string;
  /** Calls in the session's name. */
  readonly client: Client;
}

/** A session that was begun, joined, or held already. */
export interface Started {
  readonly session: string;
  readonly agent: string;
  readonly recovery: "full" | "fresh";
  readonly before: string | null;
  /** The connection holds it: it is kept alive, and need not be named in calls. */
  readonly held: boolean;
  readonly already: boolean;
  readonly leaseMs: number;
}

export type StartRequest = Pick<NewSession, "agent" | "workTree" | "effects" | "because"> & {
  readonly leaseMs?: number | undefined;
  readonly join?: string | undefined;
};

export interface Caller {
  start(request: StartRequest): Promise<Started>;
  /** The named session, or the one that the connection holds. `bad_input` where there is neither. */
  inSession(named: string | undefined): Promise<InSession>;
  /** The named session, or the held one. */
  current(named: string | undefined): string | undefined;
  /** For what may be done without a session: in the named or held one's name where there is one. */
  client(named: string | undefined): Client;
  /** The agent of the session, of the name, or of the held session; `bad_input` where nobody is named. */
  agentOf(named: {
    readonly agent?: string | undefined;
    readonly session?: string | undefined;
  }): Promise<string>;
  end(
    named: string | undefined,
    end: { readonly reason: "completed" | "stopped"; readonly detail?: string | undefined },
  ): Promise<{ readonly session: string; readonly exitReason: string }>;
  /** A message of the session is in the agent's hands from now on, and no longer. */
  took(inSession: InSession, delivery: { readonly token: string; readonly deadline: string }): void;
  settled(token: string): void;
}

export function clientIn(connection: Connection, session: string | undefined): Client {
  return createClient(session === undefined ? connection : { ...connection, session });
}

export function noSession(hint: string): Fault {
  return new Fault("bad_input", `No session: ${hint}`, { context: { path: "session" } });
}
