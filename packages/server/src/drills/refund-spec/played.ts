import type { Client, GateRun, Incident, InFlightAccount } from "@lastgood/sdk";
import type { DrillEvent, Ending } from "../drill.ts";
import type { RequestLine } from "./agents/customers.ts";
import type { Payment } from "./agents/payments-process.ts";
import type { Story } from "./story.ts";
import type { RefundWorld } from "./world.ts";

/** The command that switched, as the person who typed it saw it. */
export interface Switched {
  readonly typedAt: Date;
  /** What a command takes here that only looks at the pin, in milliseconds. */
  readonly lookMs: number;
  /** When the pin had moved. */
  readonly movedAt: Date;
  readonly epoch: number;
  /** When each agent followed the release, by its own journal; those that never did are left out. */
  readonly followedAt: readonly Date[];
  readonly stragglers: number;
  /** Of all that were in flight when it moved. */
  readonly account: InFlightAccount;
}

/** What happened, as the drill saw it and as the world shows it. */
export interface Played {
  readonly story: Story;
  readonly world: RefundWorld;
  readonly client: Client;
  readonly timeline: readonly DrillEvent[];
  readonly settingsNotDefault: readonly string[];
  /** When 2.1.0 was deployed. */
  readonly injectedAt: Date;
  readonly switched: Switched;
  /** Keys of refunds that failed of the limit and were queued again. */
  readonly queued: readonly string[];
  /** Those of them that failed while they were in flight at the switch. */
  readonly late: number;
  /** Null: there never was one. */
  readonly incident: Incident | null;
  readonly ending: Ending;
  /** Of the spec with the same fault, and of the one with the exception path. */
  readonly gates: readonly GateRun[];
  /** When 2.2.0 was deployed; null where its gate did not let it. */
  readonly nextAt: Date | null;
  readonly requests: readonly RequestLine[];
  readonly payments: readonly Payment[];
}
