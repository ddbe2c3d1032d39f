/** The small words of lastgood.yaml: names, globs, argument vectors, spans of time. */
import { z } from "zod";
import { formatDuration, parseDuration } from "../duration.ts";

/** What services, agents, people, repositories, rules and signals are called. */
export const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,99}$/,
    "write a name: it begins with a letter or digit, then letters, digits, `.`, `_` or `-`, at most 100",
  );

export const glob = z.string().min(1).max(300);

/** A program and its arguments; no shell reads them. */
export const argv = z.array(z.string().max(4_096)).min(1).max(64);

/** The name of an environment variable: where a secret is, never the secret itself. */
export const variable = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]*$/,
    "write the name of an environment variable, such as PAGERDUTY_KEY, never the secret itself",
  );

/** Where a service answers, below its root. */
export const httpPath = z.string().startsWith("/", "write a path that begins with /").max(2_000);

export const pointer = z
  .string()
  .startsWith("/", "write a JSON pointer that begins with /, such as /revision")
  .max(500);

/** Node's timers fire at once beyond 2^31 - 1 ms, so what is waited for stays well under it. */
const waitMsMax = 7 * 86_400_000;
const agesMsMax = 3_650 * 86_400_000;

const written = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, "write a span of time such as 500ms, 30s, 5m, 2h or 90d");

/** A span of time, written `500ms`, `30s`, `5m`, `2h` or `90d`; in milliseconds once parsed. */
export function duration(min: string, max: string) {
  const [least, most] = [parseDuration(min), parseDuration(max)];
  return written
    .transform((text) => parseDuration(text))
    .refine((ms) => ms >= least && ms <= most, `must be between ${min} and ${max}`);
}

/** A span that something waits for: from `min` (1 ms) to 7 days. */
export function wait(fallback: string, min = "1ms") {
  return duration(min, formatDuration(waitMsMax)).prefault(fallback);
}

/** A span that something is old, or kept: up to ten years. */
export function age(fallback: string) {
  return duration("0s", formatDuration(agesMsMax)).prefault(fallback);
}
