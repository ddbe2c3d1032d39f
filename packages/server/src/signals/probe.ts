/**
 * One request of a probe: how the service answered, and what numbers its answer holds.
 * A connection of its own each time, so that a switch between two instances is seen at once.
 */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { onUnaskedUpgrade } from "../unasked-upgrade.ts";

export type ProbeResult =
  | {
      readonly outcome: "answered";
      readonly status: number;
      readonly elapsedMs: number;
      /** The parsed body, where one was asked for and it is JSON. */
      readonly body: unknown;
    }
  | { readonly outcome: "timed-out"; readonly elapsedMs: number }
  | { readonly outcome: "failed"; readonly elapsedMs: number; readonly because: string };

const bodyBytesMax = 65_536;

/** Resolves with what happened, always within `timeoutMs` and a little. Redirects are not followed. */
export function probeOnce(
  url: URL,
  { timeoutMs, readsBody }: { timeoutMs: number; readsBody: boolean },
  signal: AbortSignal,
): Promise<ProbeResult> {
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  return new Promise((resolve) => {
    const deadline = AbortSignal.timeout(timeoutMs);
    const fail = (error: Error) =>
      resolve(
        deadline.aborted && !signal.aborted
          ? { outcome: "timed-out", elapsedMs: timeoutMs }
          : { outcome: "failed", elapsedMs: elapsed(), because: error.message },
      );
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(
      url,
      {
        agent: false,
        headers: { connection: "close", "user-agent": "lastgood-probe", accept: "*/*" },
        signal: AbortSignal.any([signal, deadline]),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (readsBody && bytes <= bodyBytesMax) chunks.push(chunk);
          // Nobody waits for an endless body: it has answered.
          if (bytes > bodyBytesMax) finish();
        });
        response.once("end", finish);
        response.once("error", fail);
        function finish(): void {
          resolve({
            outcome: "answered",
            status: response.statusCode ?? 0,
            elapsedMs: elapsed(),
            body: readsBody && bytes <= bodyBytesMax ? parsed(Buffer.concat(chunks)) : undefined,
          });
          response.destroy();
        }
      },
    );
    request.once("error", fail);
    onUnaskedUpgrade(request, fail);
    request.end();
  });
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** What an RFC 6901 pointer names in a parsed body; undefined when there is no such place. */
export function readPointer(body: unknown, pointer: string): unknown {
  let at = body;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}
