/** What a row of the table is: plain data. `{name}` in any text stands for an id of the small world. */
import type { FaultCode } from "../../src/fault.ts";

export interface Row<Call> {
  /** What is wrong, as a sentence. */
  readonly name: string;
  readonly call: Call;
  readonly fault: FaultCode;
  /** The exit status of the command line. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7;
  /** What the text must say so that the reader knows what to do. */
  readonly says: RegExp;
  /** Parts of the world that take a record of what was refused; all the others stay as they are. */
  readonly leaves?: readonly string[];
}

export interface HttpCall {
  /** Such as `POST /v1/freeze`. */
  readonly ask: string;
  /** Whose token, by the world's name for it. Default `admin`. */
  readonly as?: string;
  /** The whole header, in place of a token. */
  readonly authorization?: string;
  readonly body?: unknown;
  /** In place of `body`, as it is. */
  readonly raw?: string;
  readonly type?: string;
}

export interface CommandLine {
  /** What is typed after `lastgood`; `--json` is added. */
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Fills the world's names into every text of a row's call. */
export function filled<T>(value: T, names: ReadonlyMap<string, string>): T {
  const fill = (each: unknown): unknown => {
    if (typeof each === "string") {
      return each.replace(/\{([a-z][\w-]*)\}/g, (all, name) => names.get(name) ?? all);
    }
    if (Array.isArray(each)) return each.map(fill);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, inner]) => [key, fill(inner)]));
  };
  return fill(value) as T;
}
