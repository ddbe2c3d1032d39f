/** How people name releases on the command line, and how contents are read. */
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import {
  type ArtifactKind,
  type InFlightAccount,
  type JsonValue,
  splitRelease,
  whyNoVersion,
} from "@lastgood/sdk";
import { Fault } from "../fault.ts";

const kinds: readonly ArtifactKind[] = ["spec", "model", "prompt", "image", "config"];

export interface NamedRelease {
  readonly artifact: string;
  readonly version: string;
  /** Where it was said before the name: `spec customer-service:2.0.3`. */
  readonly kind: ArtifactKind | undefined;
}

/** `customer-service:2.0.3`, with or without its kind before it. Faults `bad_input`. */
export function namedRelease(words: readonly string[]): NamedRelease {
  const [first = "", second, ...rest] = words;
  const kind = second === undefined ? undefined : kinds.find((each) => each === first);
  const name = kind === undefined ? first : (second ?? "");
  if (rest.length > 0 || (second !== undefined && kind === undefined)) {
    throw new Fault(
      "bad_input",
      `"${words.join(" ")}" is not one release: write customer-service:2.0.3, or spec customer-service:2.0.3 (kinds: ${kinds.join(", ")}).`,
      { context: { path: "release" } },
    );
  }
  const { artifact, version } = splitRelease(name);
  const why = whyNoVersion(version);
  if (why !== null) {
    throw new Fault("bad_input", `${name === "" ? "A release is missing" : name}: ${why}.`, {
      context: { path: "release" },
    });
  }
  return { artifact, version, kind };
}

/** A `.json` file holds a JSON value; any other, and `-` for stdin, a text, unless it is said to be JSON. */
export function readContent(file: string, isJson: boolean): JsonValue {
  const text = textOf(file);
  if (!isJson && extname(file) !== ".json") return text;
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new Fault("bad_input", `${file} is not JSON: ${String(cause).slice(0, 200)}`, {
      cause,
      context: { path: "content" },
    });
  }
}

export function textOf(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new Fault("not_found", `${file} cannot be read: ${String(cause).slice(0, 200)}`, {
      cause,
      context: { path: file },
    });
  }
}

/** `accuracy=0.92`, as often as it is given. */
export function scoresOf(given: readonly string[] | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(
    (given ?? []).map((text) => {
      const at = text.lastIndexOf("=");
      const value = Number(text.slice(at + 1) || Number.NaN);
      if (at > 0 && Number.isFinite(value)) return [text.slice(0, at), value];
      throw new Fault("bad_input", `"${text}" is not a score: write accuracy=0.92.`, {
        context: { path: "--score" },
      });
    }),
  );
}

/** `2.0.2=90`, as often as it is given. */
export function sharesOf(given: readonly string[] | undefined) {
  return given?.map((text) => {
    const at = text.lastIndexOf("=");
    const share = Number(text.slice(at + 1) || Number.NaN);
    const version = text.slice(0, Math.max(0, at));
    if (Number.isInteger(share) && whyNoVersion(version) === null) return { version, share };
    throw new Fault("bad_input", `"${text}" is not a share: write 2.0.3=10.`, {
      context: { path: "--share" },
    });
  });
}

/** What became of all that were in flight when a pin moved, in one line. */
export function sayAccount(account: InFlightAccount): string {
  const { artifact, epoch, at, inFlight } = account;
  const parts = (["finished", "switched", "retried", "failed", "waiting", "running"] as const)
    .filter((part) => account[part] > 0)
    .map((part) => `${account[part]} ${part}`);
  const became = parts.length === 0 ? "" : `: ${parts.join(", ")}`;
  const spared =
    account.spared === 0 ? "" : ` (${account.spared} not cancelled: effects under way)`;
  return `${inFlight} were in flight when ${artifact} moved at epoch ${epoch} (${at})${became}${spared}`;
}
