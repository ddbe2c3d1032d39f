import type { IncidentId } from "../ids.ts";
import type { Query } from "../store/database.ts";

/** A call to a person. At most one per incident, however often it is asked for. */
export interface PageRequest {
  readonly incident: IncidentId;
  readonly severity: "critical" | "high" | "low";
  readonly summary: string;
  /** From `services.<name>.owner`; null falls back to `pages.owner`. */
  readonly owner: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Everything is written to an outbox in the caller's transaction and delivered from there. */
export interface Notifier {
  page(db: Query, request: PageRequest): Promise<void>;
  /** The page of the incident, if any, is resolved where it was sent. */
  resolve(db: Query, incident: IncidentId, summary: string): Promise<void>;
  /** To people's webhooks: opened, contained, all clear. Each (incident, phase) once. */
  announce(
    db: Query,
    incident: IncidentId,
    phase: "opened" | "contained" | "all-clear",
    text: string,
  ): Promise<void>;
}
