/**
 * How commands speak: results on stdout, everything else on stderr; `--json` prints one JSON value and
 * nothing else on stdout; colours and progress only on a terminal.
 */
import { styleText } from "node:util";
import { Fault, faults } from "../fault.ts";

export type Ink = Parameters<typeof styleText>[0];

export interface Terminal {
  readonly json: boolean;
  /** One line of the result for people; silent under `--json`. */
  line(text?: string): void;
  /** Aligned columns under a heading; silent under `--json`. */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): void;
  /** One fact a line, their values below each other; what is null is left out. Silent under `--json`. */
  facts(facts: readonly (readonly [string, string | null])[]): void;
  /** The result for programs: printed only under `--json`. */
  result(value: unknown): void;
  /** Shows what is being waited for on stderr while `work` runs for over a second. */
  progress<T>(what: string, work: Promise<T>): Promise<T>;
  ink(style: Ink, text: string): string;
}

export function createTerminal(json: boolean): Terminal {
  const { stdout, stderr } = process;
  const ink = (style: Ink, text: string) =>
    stdout.isTTY && process.env.NO_COLOR === undefined ? styleText(style, text) : text;
  const line = (text = "") => {
    if (!json) stdout.write(`${text}\n`);
  };
  return {
    json,
    ink,
    line,
    table(heading, rows) {
      if (rows.length === 0) return;
      const widths = heading.map((title, column) =>
        Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
      );
      const laid = (row: readonly string[]) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd();
      line(ink("dim", laid(heading)));
      for (const row of rows) line(laid(row));
    },
    facts(facts) {
      const known = facts.filter(([, value]) => value !== null);
      const width = Math.max(12, ...known.map(([name]) => name.length));
      for (const [name, value] of known) line(`${name.padEnd(width)}  ${value?.trim()}`);
    },
    result(value) {
      if (json) stdout.write(`${JSON.stringify(value, null, stdout.isTTY ? 2 : 0)}\n`);
    },
    async progress(what, work) {
      const began = Date.now();
      let said = false;
      const timer = setInterval(() => {
        const seconds = Math.round((Date.now() - began) / 1_000);
        if (stderr.isTTY) stderr.write(`\r${what} (${seconds} s)\u001b[K`);
        else if (!said || seconds % 10 === 0) stderr.write(`${what} (${seconds} s)\n`);
        said = true;
      }, 1_000);
      try {
        return await work;
      } finally {
        clearInterval(timer);
        if (said && stderr.isTTY) stderr.write("\r\u001b[K");
      }
    },
  };
}

/** Prints a failure and returns the exit code that its fault states. */
export function reportFailure(error: unknown, json: boolean): number {
  const fault = error instanceof Fault ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const problem = { code: fault?.code ?? "internal", detail: message, ...fault?.context };
    process.stdout.write(`${JSON.stringify({ error: problem })}\n`);
  } else {
    const place = fault?.context.path === undefined ? "" : ` (${fault.context.path})`;
    process.stderr.write(`lastgood: ${message}${place} [${fault?.code ?? "internal"}]\n`);
    if (fault === null && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
  return fault === null ? faults.internal.exit : faults[fault.code].exit;
}
