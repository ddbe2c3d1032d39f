/** From the text of a file of the bank to a check, and back. Pure. */
import type { JsonValue, NewCheck } from "@lastgood/sdk";
import { isAlias, LineCounter, parseDocument, stringify, visit } from "yaml";
import { z } from "zod";
import { evaluatorSchema, ownEvaluator } from "../config/evaluator-settings.ts";
import { artifactName } from "../config/release-settings.ts";
import { type BankCheck, casesMax, type Evaluator, needsExpected } from "./check.ts";

/** A part of a check's name, as of a file's. */
export const namePart = /^[A-Za-z0-9][\w.-]{0,79}$/;
const namePartsMax = 6;

export const checkName = z
  .string()
  .max(200)
  .refine((text) => {
    const parts = text.split("/");
    return parts.length <= namePartsMax && parts.every((part) => namePart.test(part));
  }, `write a check's name like support-router/terse-capitals: letters, digits, \`.\`, \`_\` or \`-\`, at most ${namePartsMax} parts`);

const caseName = z.string().min(1).max(200);
export const because = z.string().max(2_000);
const share = z.number().gt(0).max(1);
const anyJson = z.json();
/** As it stands in the file: what the schema makes of it lacks a key named `__proto__`. */
const json = z.custom<JsonValue>((value) => anyJson.safeParse(value).success);
const fileSchema = z.strictObject({
  artifact: artifactName,
  bank: z.enum(["checks", "adversarial"]).default("checks"),
  because: because.default(""),
  incident: z.string().max(100).optional(),
  atLeast: share.default(1),
  evaluator: evaluatorSchema.optional(),
  wrong: json.optional(),
  cases: z
    .array(
      z.strictObject({
        name: caseName.optional(),
        input: json,
        expected: json.optional(),
        evaluator: evaluatorSchema.optional(),
      }),
    )
    .min(1)
    .max(casesMax),
});

/** A check as it comes by HTTP: with evaluators of our own alone, for a command is code, and a URL carries keys. */
export const newCheckSchema: z.ZodType<NewCheck> = z.strictObject({
  name: checkName,
  artifact: artifactName,
  bank: z.enum(["checks", "adversarial"]).default("checks"),
  because: because.default(""),
  atLeast: share.default(1),
  cases: z
    .array(
      z
        .strictObject({
          name: caseName,
          input: z.json(),
          expected: z.json().optional(),
          evaluator: ownEvaluator,
        })
        .refine(({ expected, evaluator }) => expected !== undefined || !needsExpected(evaluator), {
          message: "say what is expected: this evaluator compares with that",
          path: ["expected"],
        }),
    )
    .min(1)
    .max(casesMax)
    .refine((cases) => new Set(cases.map((each) => each.name)).size === cases.length, {
      message: "two cases have one name: give each its own",
    }),
});

/** A file that is no check: what it is about where that can be read, and what is wrong with it. */
export class FaultyFile extends Error {
  override readonly name = "FaultyFile";
  readonly artifact: string | null;

  constructor(message: string, artifact: string | null) {
    super(message);
    this.artifact = artifact;
  }
}

const aliasesMax = 100;
/** The parser takes quadratic time over some long lines. */
const lineLettersMax = 65_536;

/** Throws `FaultyFile` with line and column. */
export function parseCheckFile(name: string, text: string, format: "yaml" | "json"): BankCheck {
  const named = checkName.safeParse(name);
  if (!named.success) throw new FaultyFile(`its name: ${named.error.issues[0]?.message}`, null);
  const value = format === "json" ? readJson(text) : readYaml(text);
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, 5);
    const says = issues.map(
      ({ path, message }) => `${path.map(String).join(".") || "it"}: ${message}`,
    );
    throw new FaultyFile(says.join("; "), artifactOf(value));
  }
  const { cases, evaluator: general, incident = null, wrong, ...rest } = parsed.data;
  const whole = cases.map((each, index) => {
    const evaluator = each.evaluator ?? general ?? ({ kind: "exact" } as const);
    const { input, expected } = each;
    if (expected === undefined && needsExpected(evaluator)) {
      const says = `cases.${index}: it says nothing of what is expected, and ${evaluator.kind} compares with that`;
      throw new FaultyFile(says, rest.artifact);
    }
    const named = { name: each.name ?? `case-${index + 1}`, input, evaluator };
    return expected === undefined ? named : { ...named, expected };
  });
  const twice = whole.find(
    (one, index) => whole.findIndex((other) => other.name === one.name) < index,
  );
  if (twice !== undefined)
    throw new FaultyFile(`two cases are called ${twice.name}`, rest.artifact);
  const check = { name, ...rest, incident, cases: whole };
  return wrong === undefined ? check : { ...check, wrong };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FaultyFile(`it is not JSON: ${String(error).slice(0, 200)}`, null);
  }
}

function readYaml(text: string): unknown {
  const long = text.split("\n").findIndex((line) => line.length > lineLettersMax);
  if (long >= 0) {
    throw new FaultyFile(
      `line ${long + 1} has over ${lineLettersMax} letters: break it, or write JSON`,
      null,
    );
  }
  try {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { lineCounter, prettyErrors: false, version: "1.2" });
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      throw new FaultyFile(`${line}:${col}: it is not YAML: ${error.message.slice(0, 200)}`, null);
    }
    let aliases = 0;
    visit(document, (_, node) => {
      if (isAlias(node)) aliases += 1;
    });
    if (aliases > aliasesMax)
      throw new FaultyFile(`it has ${aliases} aliases: write them out`, null);
    return document.toJS({ maxAliasCount: aliasesMax });
  } catch (error) {
    if (error instanceof FaultyFile) throw error;
    // Aliases that multiply (ReferenceError), or nesting that ends the stack (RangeError).
    if (error instanceof ReferenceError || error instanceof RangeError) {
      throw new FaultyFile(`it cannot be read: ${error.message.slice(0, 200)}`, null);
    }
    throw error;
  }
}

function artifactOf(value: unknown): string | null {
  if (typeof value !== "object" || value === null || !("artifact" in value)) return null;
  return artifactName.safeParse(value.artifact).data ?? null;
}

/** A check as people read and edit it. What all cases share is said once. */
export function checkFileText(check: Omit<BankCheck, "name">): string {
  const { artifact, bank, because: why, incident, atLeast, wrong, cases } = check;
  const [first] = cases;
  const evaluator = first?.evaluator ?? { kind: "exact" };
  const isShared = (each: Evaluator) => JSON.stringify(each) === JSON.stringify(evaluator);
  return stringify(
    {
      artifact,
      ...(bank === "checks" ? {} : { bank }),
      ...(why === "" ? {} : { because: why }),
      ...(incident === null ? {} : { incident }),
      ...(atLeast === 1 ? {} : { atLeast }),
      evaluator: asWritten(evaluator),
      ...(wrong === undefined ? {} : { wrong }),
      cases: cases.map((each) => ({
        name: each.name,
        input: each.input,
        ...(each.expected === undefined ? {} : { expected: each.expected }),
        ...(isShared(each.evaluator) ? {} : { evaluator: asWritten(each.evaluator) }),
      })),
    },
    { lineWidth: 110, aliasDuplicateObjects: false },
  );
}

function asWritten(evaluator: Evaluator): object {
  if (evaluator.kind !== "command" && evaluator.kind !== "http") return evaluator;
  const { timeoutMs, ...rest } = evaluator;
  return timeoutMs === undefined ? rest : { ...rest, timeout: `${timeoutMs}ms` };
}
