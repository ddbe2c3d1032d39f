/** One POST of JSON with an answer in JSON, bounded in time and bytes; redirects are not followed. */
import type { Json } from "../json/canonical.ts";

export interface JsonPost {
  readonly url: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * `refused`: it answered with a status of 4xx or 5xx, or with something that is no JSON; `late`: it gave no whole
 * answer in time; `away`: it is not there, or has no time.
 */
export type Posted =
  | { readonly kind: "answered"; readonly value: Json }
  | { readonly kind: "refused"; readonly says: string }
  | { readonly kind: "late"; readonly says: string }
  | { readonly kind: "away"; readonly says: string };

/** Rejects only when `signal` aborts. */
export async function postJson(
  { url, body, headers }: JsonPost,
  { timeoutMs, bytesMax }: { readonly timeoutMs: number; readonly bytesMax: number },
  signal: AbortSignal,
): Promise<Posted> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers: { ...headers, "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, deadline]),
    });
    const text = await readBounded(response, bytesMax);
    if (text === null) return { kind: "refused", says: `answered with over ${bytesMax} bytes` };
    if (!response.ok) {
      const kind = response.status === 429 || response.status >= 502 ? "away" : "refused";
      return { kind, says: `answered ${response.status}: ${text.slice(0, 200)}` };
    }
    return answerOf(text);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return { kind: "late", says: `did not answer within ${timeoutMs} ms` };
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { kind: "away", says: `does not answer: ${why.slice(0, 200)}` };
  }
}

function answerOf(text: string): Posted {
  try {
    return { kind: "answered", value: JSON.parse(text) as Json };
  } catch {
    return { kind: "refused", says: `answered with what is no JSON: ${text.slice(0, 100)}` };
  }
}

/** Null when there is more. */
async function readBounded(response: Response, bytesMax: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body, and with it the connection.
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
