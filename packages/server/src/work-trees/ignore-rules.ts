/**
 * Which files git would not look at, by the rules of `.gitignore`: decided here and not by git, because git
 * would wait on a pipe of that name, and would have to be asked anew at every depth of the tree.
 */
import { type BytePath, nameOf } from "./byte-path.ts";
import { type Budget, type Matcher, matcherOf } from "./wildcard.ts";

export interface IgnoreRules {
  /** Where the file lies; its patterns are relative to that. */
  readonly folder: BytePath;
  /** The last one of the file first: the first that fits decides. */
  readonly rules: readonly IgnoreRule[];
}

interface IgnoreRule {
  readonly takesBack: boolean;
  readonly foldersOnly: boolean;
  /** The pattern has no slash: it is held to the last name alone. */
  readonly nameOnly: boolean;
  readonly matches: Matcher;
}

const patternBytesMax = 1_000;
const rulesMax = 5_000;

/** `text` holds one byte per character. Null when there are more rules than are followed. */
export function parseIgnoreRules(folder: BytePath, text: string): IgnoreRules | null {
  const rules: IgnoreRule[] = [];
  for (const line of text.replace(/^\xef\xbb\xbf/, "").split("\n")) {
    const rule = parseRule(line);
    if (rule !== null) rules.push(rule);
    if (rules.length > rulesMax) return null;
  }
  return { folder, rules: rules.reverse() };
}

function parseRule(line: string): IgnoreRule | null {
  if (line.startsWith("#")) return null;
  let pattern = withoutTrailingSpaces(line.replace(/\r$/, ""));
  const takesBack = pattern.startsWith("!");
  if (takesBack) pattern = pattern.slice(1);
  const foldersOnly = pattern.endsWith("/");
  if (foldersOnly) pattern = pattern.slice(0, -1);
  if (pattern === "" || pattern.length > patternBytesMax) return null;
  const nameOnly = !pattern.includes("/");
  if (pattern.startsWith("/")) pattern = pattern.slice(1);
  return { takesBack, foldersOnly, nameOnly, matches: matcherOf(pattern) };
}

/** A space after a backslash stays, and so does everything where a backslash ends the line. */
function withoutTrailingSpaces(line: string): string {
  let end = 0;
  for (let at = 0; at < line.length; at++) {
    const isEscape = line[at] === "\\";
    if (isEscape) at += 1;
    if (at >= line.length) return line;
    if (isEscape || line[at] !== " ") end = at + 1;
  }
  return line.slice(0, end);
}

/** Innermost rules first. That no folder above it is ignored was found out before. */
export function isIgnored(
  path: BytePath,
  isFolder: boolean,
  innermostFirst: readonly IgnoreRules[],
  budget: Budget,
): boolean {
  const name = nameOf(path);
  for (const { folder, rules } of innermostFirst) {
    const below = folder === "" ? path : path.slice(folder.length + 1);
    for (const rule of rules) {
      if (rule.foldersOnly && !isFolder) continue;
      if (rule.matches(rule.nameOnly ? name : below, budget)) return !rule.takesBack;
    }
  }
  return false;
}
