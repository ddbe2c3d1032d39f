/** What the workers of all sides print to their stdout, line by line, before they go on. */
import { writeSync } from "node:fs";

export type Said =
  /** Its program and all that it imports is there. */
  | { readonly say: "loaded" }
  /** It is at a step that is not done: it looks whether it happened, or acts. */
  | { readonly say: "acting"; readonly task: string; readonly step: number }
  /** Nobody can tell whether the effect happened: a person is asked, and the worker goes on with others. */
  | { readonly say: "unknown"; readonly task: string; readonly effect: string }
  | { readonly say: "completed"; readonly task: string }
  | { readonly say: "finished" };

/** With when it was said, in milliseconds of the epoch. */
export type Line = Said & { readonly at: number };

/** Milliseconds of the epoch with their fractions, the same in every process of the machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

export function say(said: Said): void {
  writeSync(1, `${JSON.stringify({ at: preciseNow(), ...said })}\n`);
}

/** Null for what a kill cut, and for what a library prints. */
export function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line;
    return typeof line.say === "string" && typeof line.at === "number" ? line : null;
  } catch {
    return null;
  }
}
