/** What `agent run` is told, and what each of its runs works with. */
import type { Client, Connection } from "@lastgood/sdk";
import type { Restarting } from "./agent-run.ts";
import type { AgentToken } from "./agent-token.ts";
import type { OwnWorkTree } from "./own-work-tree.ts";
import type { RunEvent } from "./run-events.ts";
import type { RunRecords } from "./run-records.ts";
import type { ServerSide } from "./server-side.ts";
import type { StopSignals } from "./stop-signals.ts";

export interface RunAgentOptions {
  readonly connection: Connection;
  readonly agent: string;
  /** Claimed for every session, where one is named. */
  readonly task: string | null;
  readonly command: readonly string[];
  readonly leaseMs: number;
  readonly restarting: Restarting;
  /** What a SIGTERM to us means for the session. */
  readonly onTerm: "stopped" | "evicted";
  /** How long the program may take to end when it is told to. */
  readonly graceMs: number;
  /** Where this machine keeps what must not be forgotten. */
  readonly home: string;
  /** Saved while it changes; null where there is none. */
  readonly workTree: OwnWorkTree | null;
  told(event: RunEvent): void;
}

export interface Run extends RunAgentOptions {
  readonly client: Client;
  readonly records: RunRecords;
  readonly signals: StopSignals;
  readonly server: ServerSide;
  /** The program's own; made when it is asked for first. */
  token(): Promise<AgentToken>;
}
