/** An exchange of Node's HTTP server in the web's own terms, in which the protocol's library speaks. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** `signal` aborts when the client goes away before it was answered. */
export function toRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
  body: Buffer<ArrayBuffer> | null = null,
): Request {
  const leaving = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) leaving.abort();
  });
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, each);
  }
  return new Request(new URL(incoming.url ?? "/", "http://127.0.0.1"), {
    ...{ method: incoming.method ?? "GET", headers, signal: leaving.signal },
    ...(body === null ? {} : { body }),
  });
}

/**
 * The whole body; `too-large` beyond `bytesMax`. What is too large is still taken off the wire, so that the
 * client comes to read the refusal; the server's own time limit ends who never stops.
 */
export async function bodyOf(
  incoming: IncomingMessage,
  bytesMax: number,
): Promise<Buffer<ArrayBuffer> | "too-large" | null> {
  if (incoming.method === "GET" || incoming.method === "HEAD") return null;
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      resolve("too-large");
    });
    incoming.once("end", () => resolve(Buffer.concat(chunks)));
    incoming.once("error", reject);
  });
}

/** Sends it, as fast as the client takes it. */
export async function answer(response: ServerResponse, given: Response): Promise<void> {
  response.writeHead(given.status, Object.fromEntries(given.headers));
  if (given.body === null) {
    response.end();
    return;
  }
  // Streams stay open: what is known so far goes out at once.
  response.flushHeaders();
  try {
    await pipeline(Readable.fromWeb(given.body), response);
  } catch {
    // The client went away: there is nobody left to tell.
    response.destroy();
  }
}
