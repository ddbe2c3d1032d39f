/**
 * Canonical JSON (RFC 8785): one text for one value, so that it can be hashed and compared.
 * Strict on purpose: what JSON, PostgreSQL or another reader would alter silently is refused, with its place.
 */
import { Fault } from "../fault.ts";
import { type Path, pointer } from "./pointer.ts";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

export const canonicalDepthMax = 64;

/**
 * The RFC 8785 text of a plain JSON value. Faults with the JSON pointer of the offender: `bad_input` for
 * what is not plain, a lone surrogate, NUL, or an integer that a double cannot hold; `too_deep` beyond 64.
 */
export function canonical(value: unknown): string {
  return textOf(value, []);
}

/** Reads a text made by `canonical`. */
export function parseCanonical(text: string): Json {
  return JSON.parse(text) as Json;
}

function textOf(value: unknown, path: Path): string {
  switch (typeof value) {
    case "string":
      return stringText(value, path);
    case "number":
      return numberText(value, path);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (path.length >= canonicalDepthMax) {
        throw refusal("too_deep", path, `nests deeper than ${canonicalDepthMax}: flatten it`);
      }
      return Array.isArray(value) ? arrayText(value, path) : objectText(value, path);
    default:
      throw refusal(
        "bad_input",
        path,
        `is a ${typeof value}, which JSON cannot hold: leave it out`,
      );
  }
}

function numberText(value: number, path: Path): string {
  if (!Number.isFinite(value)) {
    throw refusal("bad_input", path, "is not a finite number: send null or a string");
  }
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw refusal("bad_input", path, "is an integer beyond 2^53 - 1: send it as a string");
  }
  return JSON.stringify(value);
}

function stringText(value: string, path: Path): string {
  if (!value.isWellFormed()) {
    throw refusal("bad_input", path, "holds half of a surrogate pair: send well-formed Unicode");
  }
  if (value.includes("\0")) throw refusal("bad_input", path, "holds a NUL character: remove it");
  return JSON.stringify(value);
}

function arrayText(value: readonly unknown[], path: Path): string {
  const texts: string[] = [];
  for (let index = 0; index < value.length; index++) {
    if (!(index in value)) {
      throw refusal("bad_input", [...path, index], "is a hole in an array: fill it with null");
    }
    texts.push(textOf(value[index], [...path, index]));
  }
  return `[${texts.join(",")}]`;
}

function objectText(value: object, path: Path): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw refusal("bad_input", path, "is not a plain object: send its data");
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw refusal("bad_input", path, "has a symbol as a key: use a string");
  }
  // The default order of sort() is by UTF-16 code units, which is what RFC 8785 asks for.
  const texts = Object.keys(value)
    .sort()
    .map((key) => {
      const at = [...path, key];
      return `${stringText(key, at)}:${textOf((value as Record<string, unknown>)[key], at)}`;
    });
  return `{${texts.join(",")}}`;
}

function refusal(code: "bad_input" | "too_deep", path: Path, what: string): Fault {
  const place = pointer(path);
  return new Fault(code, `The value at ${place === "" ? "the root" : place} ${what}.`, {
    context: { path: place },
  });
}
