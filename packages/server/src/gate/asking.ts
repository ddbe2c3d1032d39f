/** What every way of asking a release shares. */
import type { Posted } from "../checks/bounded-post.ts";
import type { Answer } from "../checks/run-checks.ts";
import type { Config } from "../config/config.ts";
import type { Json } from "../json/canonical.ts";

/** A release as whoever runs it needs it. */
export interface AskedRelease {
  readonly artifact: string;
  readonly version: string;
  readonly kind: string;
  readonly reference: string | null;
  readonly content: Json | undefined;
}

export interface AnswersDeps {
  readonly base: string;
  readonly config: Config;
  /** Lastgood's own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Late and refused are the release's own fault; not being there is not. */
export function answerOf(posted: Posted, read: (value: Json) => Json): Answer {
  if (posted.kind === "answered") return { kind: "answered", output: read(posted.value) };
  return posted.kind === "away"
    ? { kind: "unavailable", says: `it ${posted.says}` }
    : failed(`it ${posted.says}`);
}

export function failed(says: string): Answer {
  return { kind: "failed", says };
}
