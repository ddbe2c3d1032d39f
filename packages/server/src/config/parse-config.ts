/**
 * From the text of a lastgood.yaml to a configuration, or to everything that is wrong with it at once,
 * each with its line and column. Pure: the text is handed in.
 */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import { type Config, configSchema } from "./config.ts";
import { findContradictions, findDoubts, type Remark } from "./cross-checks.ts";
import { configJsonSchema, keysAt } from "./json-schema.ts";
import { type ConfigIssue, sayIssue } from "./say-issue.ts";

/** What is wrong, or doubtful, at one place of the file. Lines and columns count from 1. */
export interface Complaint {
  readonly line: number;
  readonly column: number;
  /** As one would write it: `services.content-api.owner`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

export type ParsedConfig =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Complaint[] }
  | { readonly ok: false; readonly problems: readonly Complaint[] };

export const configBytesMax = 1_048_576;
const aliasesMax = 100;
const problemsMax = 50;
/** The parser takes quadratic time over some long lines (a megabyte of `&`), so they are bounded. */
const lineLettersMax = 8_192;

export function parseConfig(text: string): ParsedConfig {
  if (Buffer.byteLength(text) > configBytesMax) {
    return refused(`the file is larger than ${configBytesMax} bytes: is it the right one?`);
  }
  const long = text.split("\n").findIndex((line) => line.length > lineLettersMax);
  if (long >= 0) {
    return refused(`the line has over ${lineLettersMax} letters: break it`, long + 1);
  }
  try {
    return parseBounded(text);
  } catch (error) {
    // Only the stack can run out here: the parser, and reading what it made, recurse.
    if (!(error instanceof RangeError)) throw error;
    return refused("it nests too deep: write it flatter");
  }
}

function parseBounded(text: string): ParsedConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    version: "1.2",
  });
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.slice(0, problemsMax).map((error) => ({
        ...positionAt(lines, error.pos[0]),
        path: "",
        message: `it is not YAML: ${error.message}`,
      })),
    };
  }
  const at = placeIn(document, lines);
  const dangers = findDangers(document, lines);
  if (dangers.length > 0) return { ok: false, problems: dangers.slice(0, problemsMax) };
  const parsed = configSchema.safeParse(sectionsOf(document), { reportInput: true });
  if (!parsed.success) {
    const schema = configJsonSchema();
    const remarks = parsed.error.issues.flatMap((issue) =>
      // zod types its issues one by one; what is read of them is the same in all.
      sayIssue(issue as ConfigIssue, (path) => keysAt(schema, path)),
    );
    return { ok: false, problems: inOrder(remarks.map(at)) };
  }
  const contradictions = findContradictions(parsed.data);
  if (contradictions.length > 0) {
    return { ok: false, problems: inOrder(contradictions.map(at)) };
  }
  return { ok: true, config: parsed.data, warnings: inOrder(findDoubts(parsed.data).map(at)) };
}

/** A section below which everything is commented out is as good as none. */
function sectionsOf(document: YamlDocument): unknown {
  const written: unknown = document.toJS({ maxAliasCount: aliasesMax }) ?? {};
  if (typeof written !== "object" || written === null || Array.isArray(written)) return written;
  return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null));
}

/** As one reads the file; the first fifty. */
function inOrder(complaints: readonly Complaint[]): readonly Complaint[] {
  return complaints
    .toSorted((one, other) => one.line - other.line || one.column - other.column)
    .slice(0, problemsMax);
}

/** `lastgood.yaml:3:5: services.api.owner: …` */
export function sayComplaint(file: string, { line, column, path, message }: Complaint): string {
  return `${file}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}`;
}

/** `services.content-api.probes.health`, `agents.backend.authors[2]`. */
export function showPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}

function refused(message: string, line = 1): ParsedConfig {
  return { ok: false, problems: [{ line, column: 1, path: "", message }] };
}

type YamlDocument = ReturnType<typeof parseDocument>;

/** What YAML allows and a configuration must not: keys twice, keys that hide, aliases that multiply. */
function findDangers(document: YamlDocument, lines: LineCounter): readonly Complaint[] {
  const found: Complaint[] = [];
  let aliases = 0;
  visit(document, {
    Alias() {
      aliases += 1;
    },
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) {
          const place = positionAt(lines, isNode(key) ? (key.range?.[0] ?? 0) : 0);
          const message = "a list or mapping cannot be a name: quote it, or mend it";
          found.push({ ...place, path: "", message });
          continue;
        }
        const text = String(key.value);
        const place = { ...positionAt(lines, key.range?.[0] ?? 0), path: text };
        if (seen.has(text)) found.push({ ...place, message: "it is written twice: keep one" });
        seen.add(text);
        // A record passes over this key in silence.
        if (text === "__proto__") found.push({ ...place, message: "it cannot be a name" });
      }
    },
  });
  const refuse = (message: string) => found.push({ line: 1, column: 1, path: "", message });
  if (aliases > aliasesMax) {
    refuse(`its ${aliases} aliases are over the ${aliasesMax} that are followed: write them out`);
  } else if (aliases > 0 && !followable(document)) {
    refuse("its aliases multiply into something huge, or lead into themselves: write them out");
  }
  return found;
}

function followable(document: YamlDocument): boolean {
  try {
    document.toJS({ maxAliasCount: aliasesMax });
    return true;
  } catch (error) {
    if (error instanceof ReferenceError) return false;
    throw error;
  }
}

/** Turns a remark about a path into a complaint about the nearest place that is written in the file. */
function placeIn(document: YamlDocument, lines: LineCounter): (remark: Remark) => Complaint {
  return ({ path, message }) => {
    let node: Node | null = document.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(document) ?? null;
      const next = childOf(node, part);
      if (next === null) break;
      offset = next.offset;
      node = next.node;
    }
    return { ...positionAt(lines, offset), path: showPath(path), message };
  };
}

function childOf(
  node: Node | null,
  part: PropertyKey,
): { readonly node: Node | null; readonly offset: number } | null {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
    if (pair === undefined || !isScalar(pair.key)) return null;
    return { node: pair.value as Node | null, offset: pair.key.range?.[0] ?? 0 };
  }
  if (node !== null && "items" in node && typeof part === "number") {
    const item = (node.items as (Node | null)[])[part];
    return item?.range ? { node: item, offset: item.range[0] } : null;
  }
  return null;
}

function positionAt(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}
