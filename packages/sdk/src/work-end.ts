/**
 * How work ended, as it can be told. What the server cannot keep of it is left out, so that the end itself is never
 * lost: work whose end nobody hears of is done again.
 */
import type { ExecutionEnd } from "./api/executions.ts";
import type { JsonValue } from "./api/state.ts";
import { Fault } from "./fault.ts";

export type WorkEnd =
  | { readonly state: "finished"; readonly output: JsonValue }
  | { readonly state: "failed"; readonly error: string };

const errorMax = 2_000;
/** A request takes little more. */
const outputTextMax = 1_000_000;

/** What was thrown, in words that can be kept: well-formed, without NUL, not empty, not too long. */
export function errorText(thrown: unknown): string {
  const text = keepable(wordsOf(thrown));
  return text === "" ? "it failed without a word" : text;
}

/**
 * Tells the end, with as much of it as is taken. Where the output is not, its digest is kept as far as that can be,
 * and the record says why; what came of it is the fault that says so, null where all of it was taken.
 */
export async function tellEnd(
  tell: (end: ExecutionEnd) => Promise<unknown>,
  end: WorkEnd,
): Promise<Fault | null> {
  if (end.state === "failed") {
    await tell(end);
    return null;
  }
  const { state, output } = end;
  let unkept = unsendable(output);
  const attempts = unkept === null ? [{ output }, { output, keepOutput: false }] : [];
  for (const attempt of attempts) {
    try {
      await tell({ state, ...attempt, ...because(unkept) });
      return unkept;
    } catch (error) {
      if (!isOfContent(error)) throw error;
      unkept = error;
    }
  }
  await tell({ state, ...because(unkept) });
  return unkept;
}

/** Refused for what it says: the same without it may be taken. */
export function isOfContent(error: unknown): error is Fault {
  return (
    error instanceof Fault &&
    (error.code === "too_large" || error.code === "too_deep" || error.code === "bad_input")
  );
}

function because(unkept: Fault | null): { readonly error?: string } {
  return unkept === null ? {} : { error: keepable(`its output is not kept: ${unkept.message}`) };
}

/** Null for what can be sent at all. */
function unsendable(output: JsonValue): Fault | null {
  let size: number;
  try {
    size = JSON.stringify(output)?.length ?? 0;
  } catch (cause) {
    return new Fault("bad_input", "The output is no JSON: return what is.", { cause });
  }
  if (size <= outputTextMax) return null;
  const says = `The output has ${size} characters of JSON: put it into a document or a file, and name that.`;
  return new Fault("too_large", says);
}

function wordsOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "";
  }
}

function keepable(text: string): string {
  const bounded = text
    .slice(0, 2 * errorMax)
    .replaceAll("\0", "")
    .slice(0, errorMax);
  return bounded.replace(halfPair, "\ufffd");
}

/** Matches only what is without its other half. */
const halfPair = /\p{Surrogate}/gu;
