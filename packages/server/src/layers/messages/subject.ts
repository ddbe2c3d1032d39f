/**
 * Subjects: dot-separated tokens, at most 255 bytes of printable ASCII. In patterns `*` stands for one
 * token and a last `>` for one or more.
 */
import { Fault } from "../../fault.ts";

const token = /^[\x21-\x2d\x2f-\x7e]+$/;
const bytesMax = 255;

/** Whether a message may be published to it: no wildcards, nothing that belongs to the broker itself. */
export function isSubject(text: string): boolean {
  return isPattern(text) && !text.split(".").some((each) => each === "*" || each === ">");
}

export function isPattern(text: string): boolean {
  if (text.length === 0 || text.length > bytesMax) return false;
  if (text.startsWith("$") || text.startsWith("_INBOX")) return false;
  const tokens = text.split(".");
  return tokens.every(
    (each, index) =>
      token.test(each) &&
      (!/[*>]/.test(each) || each === "*" || (each === ">" && index === tokens.length - 1)),
  );
}

export function requireSubject(text: string, path = "subject"): string {
  if (isSubject(text)) return text;
  throw new Fault(
    "bad_input",
    `${JSON.stringify(text.slice(0, 80))} is not a subject: write tokens of printable characters separated by dots, such as tasks.review, at most ${bytesMax} bytes, without wildcards.`,
    { context: { path } },
  );
}

export function requirePattern(text: string, path = "subjects"): string {
  if (isPattern(text)) return text;
  throw new Fault(
    "bad_input",
    `${JSON.stringify(text.slice(0, 80))} is not a subject pattern: write tokens separated by dots, * for one token, a last > for the rest.`,
    { context: { path } },
  );
}

/** Whether some subject fits both patterns. A subject without wildcards is a pattern too. */
export function overlap(one: string, other: string): boolean {
  const left = one.split(".");
  const right = other.split(".");
  for (let index = 0; ; index++) {
    const [a, b] = [left[index], right[index]];
    if (a === undefined || b === undefined) return a === b;
    if (a === ">" || b === ">") return true;
    if (a !== b && a !== "*" && b !== "*") return false;
  }
}

export function fits(subject: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => overlap(subject, pattern));
}

/** The patterns as one regular expression that PostgreSQL and JavaScript read alike; null takes all. */
export function regularExpression(patterns: readonly string[]): string | null {
  if (patterns.length === 0) return null;
  return `^(${patterns.map(expressionOf).join("|")})$`;
}

function expressionOf(pattern: string): string {
  return pattern
    .split(".")
    .map((each) => {
      if (each === "*") return "[^.]+";
      if (each === ">") return ".+";
      return each.replaceAll(/[^A-Za-z0-9_]/g, "\\$&");
    })
    .join("\\.");
}

/** A subject that the patterns take: the first, with its wildcards filled in. */
export function concreteSubject(patterns: readonly string[]): string | null {
  const [first] = patterns;
  if (first === undefined) return null;
  const plain = patterns.find(isSubject) ?? first;
  return plain
    .split(".")
    .map((each) => (each === "*" || each === ">" ? "lastgood" : each))
    .join(".");
}
