/**
 * The outside world of a drill: something that publishes what it is given, keeps it, and can be asked whether
 * it has it. It does not recognise what it has seen before: whatever is sent twice is there twice.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** One thing that the outside was given. */
export interface Given {
  readonly at: string;
  /** The id under which it was sent. */
  readonly key: string;
  /** What for: `picture`, `post`, `reply`, … */
  readonly kind: string;
  readonly name: string;
  readonly body: string;
}

export type Receipt = { readonly url: string };

/** How an agent reaches it. */
export interface Outside {
  send(thing: Omit<Given, "at">): Promise<Receipt>;
  /** Null where nothing was ever sent under the key. */
  find(key: string): Promise<Receipt | null>;
}

const givesUpMs = 10_000;

export function outsideAt(url: string): Outside {
  return {
    async send(thing) {
      const response = await fetch(new URL("/things", url), {
        method: "POST",
        body: JSON.stringify(thing),
        signal: AbortSignal.timeout(givesUpMs),
      });
      if (!response.ok) throw new Error(`the outside answered ${response.status}`);
      return (await response.json()) as Receipt;
    },
    async find(key) {
      const target = new URL("/things", url);
      target.searchParams.set("key", key);
      const response = await fetch(target, { signal: AbortSignal.timeout(givesUpMs) });
      if (response.status === 404) return null;
      if (!response.ok) throw new Error(`the outside answered ${response.status}`);
      return (await response.json()) as Receipt;
    },
  };
}

export function outsideFile(folder: string): string {
  return join(folder, "outside.ndjson");
}

/** All that it was given, in order, as it kept it. */
export async function readOutside(folder: string): Promise<readonly Given[]> {
  const text = await readFile(outsideFile(folder), "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Given);
}
