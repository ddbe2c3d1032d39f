/** What a client asks for: read out of its headers and body, and refused where it is none. Pure. */
import type { JsonValue } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Caller } from "./admission.ts";
import type { Body, Dialect } from "./dialect.ts";
import type { ModelRelease } from "./model-release.ts";

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface Asked {
  readonly caller: Caller;
  readonly dialect: Dialect;
  readonly body: Body;
  /** The model's name. */
  readonly artifact: string;
  /** What the release is chosen by; null: each request by itself. */
  readonly target: string | null;
  readonly isStream: boolean;
  /** The key of the work that the request is a part of; null: it is all of it. */
  readonly key: string | null;
  /** It is the last request of that work. */
  readonly ends: "finished" | "failed" | null;
  readonly session: string | null;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Headers that the endpoint gets. */
  readonly forwarded: Readonly<Record<string, string>>;
}

const names = {
  target: "x-lastgood-key",
  key: "x-lastgood-execution",
  ends: "x-lastgood-execution-end",
  session: "x-lastgood-session",
  dimensions: "x-lastgood-dimensions",
} as const;

/** Faults `bad_input`. */
export function askedOf(dialect: Dialect, caller: Caller, headers: Headers, text: string): Asked {
  const body = bodyOf(text);
  const { model } = body;
  if (typeof model !== "string" || model === "" || model.length > 200) {
    throw bad("model", "the body names no `model`: write the name of an artifact there");
  }
  const key = headerOf(headers, names.key, 300);
  return {
    ...{ caller, dialect, body, key },
    artifact: model,
    target: headerOf(headers, names.target, 300) ?? userOf(dialect, body) ?? key,
    isStream: body.stream === true,
    ends: endOf(headerOf(headers, names.ends, 20)),
    session: headerOf(headers, names.session, 200),
    dimensions: dimensionsOf(headerOf(headers, names.dimensions, 1_000)),
    forwarded: forwardedOf(dialect, headers),
  };
}

function userOf(dialect: Dialect, body: Body): string | null {
  const user = dialect.userOf(body)?.slice(0, 300).toWellFormed().replaceAll("\0", "") ?? "";
  return user === "" ? null : user;
}

function forwardedOf(dialect: Dialect, headers: Headers): Readonly<Record<string, string>> {
  const given = dialect.passed.map((name) => [name, headerOf(headers, name, 1_000)] as const);
  const said = given.filter((pair): pair is [string, string] => pair[1] !== null);
  return { ...dialect.headers, ...Object.fromEntries(said) };
}

function bodyOf(text: string): Body {
  let body: JsonValue;
  try {
    body = JSON.parse(text) as JsonValue;
  } catch {
    throw bad("body", "the body is no JSON: check it with a JSON parser");
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Body;
  throw bad("body", "the body is no JSON object");
}

function headerOf(headers: Headers, name: string, most: number): string | null {
  const value = headers[name];
  if (value === undefined || value === "") return null;
  const isPlain = typeof value === "string" && value.length <= most;
  if (isPlain) return value;
  throw bad(name, `the header ${name} is given twice, or has more than ${most} characters`);
}

function endOf(text: string | null): Asked["ends"] {
  if (text === null || text === "finished" || text === "failed") return text;
  throw bad(names.ends, `the header ${names.ends} is "${text}": write finished or failed`);
}

/** `language=de, segment=gold`. */
function dimensionsOf(text: string | null): Readonly<Record<string, string>> {
  if (text === null) return {};
  const pairs = text.split(",").map((pair) => {
    const [, name, value] = /^\s*([A-Za-z0-9][\w.-]{0,99})=(\S(?:.{0,98}\S)?)\s*$/.exec(pair) ?? [];
    if (name !== undefined && value !== undefined) return [name, value] as const;
    throw bad(
      names.dimensions,
      `the header ${names.dimensions} is "${text.slice(0, 100)}": write it as language=de, segment=gold`,
    );
  });
  if (pairs.length > 4) throw bad(names.dimensions, "there are more than 4 dimensions");
  return Object.fromEntries(pairs);
}

function bad(path: string, why: string): Fault {
  return new Fault("bad_input", `The request cannot be served: ${why}.`, { context: { path } });
}

/** The request as its endpoint gets it, and whether it asks for tokens that the client did not ask for. */
export function requestFor(
  { body, dialect, isStream }: Pick<Asked, "body" | "dialect" | "isStream">,
  { model, parameters }: ModelRelease,
  asksUsage: boolean,
): { readonly body: Body; readonly hidesUsage: boolean } {
  const filled: Body = { ...parameters, ...body, model };
  const more = isStream && asksUsage ? dialect.withUsage(filled) : null;
  return { body: more ?? filled, hidesUsage: more !== null };
}
