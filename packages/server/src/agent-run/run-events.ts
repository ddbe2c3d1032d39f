/** What `agent run` says while it works: one line for a person, or one JSON object. */
import type { FaultCode, OpenedSession, SessionEnd } from "@lastgood/sdk";

export type RunEvent =
  | { readonly event: "waiting"; readonly what: string; readonly because: string }
  | { readonly event: "abandoned-ended"; readonly session: string; readonly pid: number }
  | {
      readonly event: "began";
      readonly session: string;
      readonly pid: number;
      readonly recovery: OpenedSession["recovery"];
      /** How the session before it ended. */
      readonly before: string | null;
      readonly brief: string;
    }
  | { readonly event: "server-away"; readonly because: string }
  | { readonly event: "server-back" }
  | { readonly event: "trouble"; readonly what: string; readonly because: string }
  | {
      readonly event: "session-over";
      readonly session: string;
      readonly reason: string;
      readonly detail: string;
    }
  | {
      readonly event: "ended";
      readonly session: string;
      readonly end: SessionEnd;
      /** How long it took until the server knew; null: it does not know yet. */
      readonly toldAfterMs: number | null;
    }
  | { readonly event: "restarting"; readonly afterMs: number; readonly inARow: number }
  | { readonly event: "stopped"; readonly because: string }
  | { readonly event: "failed"; readonly code: FaultCode; readonly because: string };

export function sayRunEvent(event: RunEvent): string {
  switch (event.event) {
    case "waiting":
      return `waiting to ${event.what}: ${event.because}`;
    case "abandoned-ended":
      return `ended process ${event.pid}, which an agent run that was killed had left in ${event.session}`;
    case "began":
      return event.recovery === "full"
        ? `${event.session} begins (process ${event.pid}); the session before ${event.before}: what to know is in ${event.brief}`
        : `${event.session} begins (process ${event.pid})`;
    case "server-away":
      return `the server is away, and the program goes on: ${event.because}`;
    case "server-back":
      return "the server is back";
    case "trouble":
      return `${event.what}: ${event.because}`;
    case "session-over":
      return `${event.session} is over (${event.reason}: ${event.detail}): the program is ended`;
    case "ended":
      return `${event.session} ${event.end.reason}: ${event.end.detail ?? ""}${
        event.toldAfterMs === null ? " (the server was not told yet)" : ""
      }`;
    case "restarting":
      return `starts again in ${event.afterMs / 1_000} s (${event.inARow} in a row)`;
    case "stopped":
      return event.because;
    case "failed":
      return `${event.because} [${event.code}]`;
  }
}
