/** zod's issues in our words: what is wrong, and what to write instead. */
import type { Remark } from "./cross-checks.ts";
import { nearest } from "./nearest.ts";

/** The part of a zod issue that is read here. */
export interface ConfigIssue {
  readonly code: string;
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly input?: unknown;
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly discriminator?: string;
  readonly keys?: readonly string[];
  readonly issues?: readonly { readonly message: string }[];
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly format?: string;
}

/** One remark, or one for each unknown key. `keys` gives what may stand at a path. */
export function sayIssue(
  issue: ConfigIssue,
  keys: (path: readonly (string | number)[]) => readonly string[],
): readonly Remark[] {
  if (issue.code === "unrecognized_keys") {
    return (issue.keys ?? []).map((key) => ({
      path: [...issue.path, key],
      message: sayUnknown(key, keys(issue.path)),
    }));
  }
  return [{ path: issue.path, message: sayOne(issue) }];
}

function sayUnknown(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant !== null) return `there is no such setting: did you mean ${meant}?`;
  return `there is no such setting: here may stand ${listed(known)}`;
}

function sayOne(issue: ConfigIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return sayType(issue);
    case "invalid_value":
      return sayValue(issue);
    case "invalid_union":
      return `write ${oneOf(issue.options ?? [])}`;
    case "invalid_key":
      return `this name cannot be used: ${issue.issues?.[0]?.message ?? "write another"}`;
    case "too_small":
      return `${sizeOf(issue)} at least ${issue.minimum}`;
    case "too_big":
      return `${sizeOf(issue)} at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "settings, one to a line",
  record: "names with settings below each",
};

function sayType({ expected = "", message, input }: ConfigIssue): string {
  const wanted = kinds[expected] ?? expected;
  const received = /received (.+)$/.exec(message)?.[1] ?? "something else";
  if (received === "undefined") return `it is missing: write ${wanted}`;
  if (received === "null") return `it is empty: write ${wanted}, or take the line out`;
  if (expected === "int") return `write ${wanted}, not ${String(input).slice(0, 40)}`;
  return `write ${wanted}; this is ${kinds[received] ?? received}`;
}

function sayValue({ values = [], input }: ConfigIssue): string {
  const meant = typeof input === "string" ? nearest(input, values.map(String)) : null;
  const given = input === undefined ? "" : `, not ${JSON.stringify(input).slice(0, 60)}`;
  return `write ${oneOf(values)}${given}${meant === null ? "" : `: did you mean ${meant}?`}`;
}

function sizeOf({ origin }: ConfigIssue): string {
  switch (origin) {
    case "string":
      return "its letters must number";
    case "array":
      return "its entries must number";
    default:
      return "it must be";
  }
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? String(values[0]) : listed(values.map(String));
}

function listed(names: readonly string[]): string {
  const last = names.at(-1);
  if (last === undefined) return "nothing";
  return names.length === 1 ? last : `${names.slice(0, -1).join(", ")} or ${last}`;
}
