/** An exchange of Node's HTTP server in the web's own terms, in which the protocol's library speaks. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Its `signal` aborts when the client goes away before it was answered. */
export function toRequest(incoming: IncomingMessage, response: ServerResponse): Request {
  const leaving = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) leaving.abort();
  });
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) headers.append(name, each);
  }
  const method = incoming.method ?? "GET";
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(incoming.url ?? "/", "http://127.0.0.1"), {
    ...{ method, headers, signal: leaving.signal },
    ...(hasBody ? { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" } : {}),
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
