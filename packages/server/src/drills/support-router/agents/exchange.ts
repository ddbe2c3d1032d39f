/** One request over connections that stay open: the world's own traffic must not take the machine from the drilled. */
import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";

export interface Exchange {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asking {
  readonly method: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly withinMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Rejects where no whole answer came in time. */
export async function exchange(
  url: string,
  { method, headers = {}, body, withinMs }: Asking,
): Promise<Exchange> {
  const signal = AbortSignal.timeout(withinMs);
  const content = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const sent =
    content === null
      ? headers
      : { ...headers, "content-type": "application/json", "content-length": content.length };
  return await new Promise<Exchange>((resolve, reject) => {
    const asking = request(url, { method, agent, signal, headers: sent }, (response) => {
      text(response).then((whole) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole });
      }, reject);
    });
    asking.once("error", reject);
    asking.end(content);
  });
}

/** The one value of a header; null where it is not there. */
export function headerOf({ headers }: Exchange, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}
