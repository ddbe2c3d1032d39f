/**
 * What a worker prints to its stdout, line by line: what it is about to do, and what was answered. Each line is
 * in the pipe before the worker goes on, so whoever reads it knows what had been acknowledged when it died.
 */
export type Said =
  | { readonly say: "asked"; readonly n: number; readonly call: string; readonly of: string }
  | {
      readonly say: "answered";
      readonly n: number;
      readonly call: string;
      readonly of: string;
      readonly status: number;
    }
  | { readonly say: "session"; readonly id: string; readonly recovery: string }
  | {
      readonly say: "briefed";
      readonly tookMs: number;
      readonly task: string | null;
      /** As the brief says, and as the file has them. */
      readonly words: number | null;
      readonly onDisk: number | null;
    }
  | { readonly say: "message"; readonly id: string; readonly deliveries: number }
  | { readonly say: "resumed"; readonly job: string; readonly words: number }
  | { readonly say: "wrote"; readonly job: string; readonly words: number }
  | { readonly say: "committing"; readonly job: string }
  | { readonly say: "committed"; readonly job: string; readonly commit: string }
  | { readonly say: "acting"; readonly of: string; readonly kind: string }
  | { readonly say: "acted"; readonly of: string; readonly kind: string }
  | { readonly say: "sending"; readonly effect: string; readonly of: string; readonly kind: string }
  | { readonly say: "sent"; readonly effect: string; readonly of: string; readonly kind: string }
  | { readonly say: "unknown"; readonly effect: string; readonly of: string }
  | { readonly say: "done"; readonly of: string }
  | { readonly say: "ended"; readonly why: "stopped" | "fenced" | "parked" };

/** With when the worker said it. */
export type Line = Said & { readonly at: number };

/** Null for what was cut by a kill, or is none. */
export function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line.say === "string" ? line : null;
  } catch {
    return null;
  }
}

/** Where in its cycle whoever said this last was killed. */
export function stepOf(last: Line | undefined): string {
  if (last === undefined) return "starting";
  switch (last.say) {
    case "asked":
    case "answered":
      return `${last.say === "asked" ? "in" : "after"} ${last.call}`;
    case "session":
      return "after open";
    default:
      return last.say;
  }
}
