/** Evaluators that are values compared with values. Pure. */
import { canonical, type Json } from "../json/canonical.ts";
import { parseJsonPath, select } from "../json/json-path.ts";
import { cannotTell, type Evaluator, fails, type Judged, passes } from "./check.ts";

type Of<Kind extends Evaluator["kind"]> = Extract<Evaluator, { readonly kind: Kind }>;

/** An answer, or the part of it that is judged. */
export type Part =
  | { readonly found: true; readonly value: Json }
  | { readonly found: false; readonly judged: Judged };

/** The one part of the answer that `at` names. */
export function partAt(output: Json, at: string | undefined): Part {
  if (at === undefined) return { found: true, value: output };
  const nodes = select(parseJsonPath(at), output);
  if (nodes === null) return { found: false, judged: fails(`the answer is too large for ${at}`) };
  const [value, ...more] = nodes;
  if (value !== undefined && more.length === 0) return { found: true, value };
  const count = nodes.length === 0 ? "nothing" : `${nodes.length} parts`;
  return { found: false, judged: fails(`${at} names ${count} of the answer ${shown(output)}`) };
}

export function judgeExact({ at }: Of<"exact">, output: Json, expected: Json | undefined): Judged {
  if (expected === undefined) return cannotTell("the case does not say what is expected");
  const part = partAt(output, at);
  if (!part.found) return part.judged;
  return isSame(part.value, expected)
    ? passes()
    : fails(`${shown(part.value)} instead of ${shown(expected)}`);
}

export function judgeJsonPath(
  { path }: Of<"json-path">,
  output: Json,
  expected: Json | undefined,
): Judged {
  const nodes = select(parseJsonPath(path), output);
  if (nodes === null) return fails(`the answer is too large for ${path}`);
  if (expected === undefined) {
    return nodes.length > 0 ? passes(`${path} is there`) : fails(`${path} is not in the answer`);
  }
  if (nodes.some((node) => isSame(node, expected))) return passes();
  const [first] = nodes;
  const is = first === undefined ? "nothing" : shown(first);
  return fails(`${path} is ${is} instead of ${shown(expected)}`);
}

export function judgeNumeric(
  { at, within = 0, relative = 0 }: Of<"numeric">,
  output: Json,
  expected: Json | undefined,
): Judged {
  const wanted = numberOf(expected);
  if (wanted === null) return cannotTell("the case expects no number");
  const part = partAt(output, at);
  if (!part.found) return part.judged;
  const is = numberOf(part.value);
  if (is === null) return fails(`${shown(part.value)} is no number`);
  const tolerance = Math.max(within, relative * Math.abs(wanted));
  // 0.1 + 0.2 is within nothing of 0.3: the last bits of the sum are not held against it.
  const slack = 4 * Number.EPSILON * Math.max(Math.abs(is), Math.abs(wanted));
  return Math.abs(is - wanted) <= tolerance + slack
    ? passes()
    : fails(`${is} is not within ${tolerance} of ${wanted}`);
}

/** A number, or a text that is one and nothing else. */
function numberOf(value: Json | undefined): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (
    typeof value !== "string" ||
    !/^\s*[-+]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})(e[-+]?\d{1,3})?\s*$/i.test(value)
  ) {
    return null;
  }
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

export function isSame(one: Json, other: Json): boolean {
  return textOf(one) === textOf(other);
}

/** What canonical JSON refuses (NUL, half a surrogate) is still an answer that can be compared. */
function textOf(value: Json): string {
  try {
    return canonical(value);
  } catch {
    return JSON.stringify(value);
  }
}

/** For people: short, and on one line. */
export function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}
