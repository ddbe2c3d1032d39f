/**
 * One POST to somebody else's server, with nothing left open: the name is resolved and checked once and only
 * those addresses are connected to, redirects are answers, 10 s for everything, 64 kB read at most.
 */
import { lookup } from "node:dns/promises";
import { type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { orAborted } from "../abort.ts";
import { onUnaskedUpgrade } from "../unasked-upgrade.ts";
import type { Attempt } from "./delivery.ts";
import { isPublicAddress } from "./public-address.ts";

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** `public`: https to a public address. `private`: any address, and plain http to private ones. `any`. */
  readonly reach: "public" | "private" | "any";
}

/** How long everything may take: resolving, connecting, sending, the answer. */
export const postMsMax = 10_000;
const answerBytesMax = 65_536;
const keptLetters = 300;

/** Never throws: what came of it is an `Attempt`. */
export async function post(
  given: Post,
  signal: AbortSignal,
  withinMs: number = postMsMax,
): Promise<Attempt> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  try {
    // Resolving a name cannot be cancelled: it is no longer waited for.
    const addresses = await orAborted(addressesOf(given.url), deadline);
    if (addresses.length === 0) {
      return { kind: "failed", because: `${given.url.hostname} has no address` };
    }
    const because = whyNot(given, addresses);
    if (because !== null) return { kind: "refused", because };
    return await send(given, addresses, deadline);
  } catch (error) {
    return { kind: "failed", because: sayFailure(error, deadline, withinMs) };
  }
}

async function addressesOf({ hostname }: URL): Promise<readonly string[]> {
  const bare = hostname.replace(/^\[|\]$/g, "");
  if (isIP(bare) > 0) return [bare];
  return (await lookup(bare, { all: true })).map(({ address }) => address);
}

/** Every address must do, for a resolver that gives a good one first and a bad one next is an attack. */
function whyNot({ url, reach }: Post, addresses: readonly string[]): string | null {
  if (reach === "any") return null;
  const isPublic = addresses.every(isPublicAddress);
  if (reach === "public" && !isPublic) {
    return `${url.hostname} is at a private address (${addresses.join(", ")}): set pages.allowPrivate where that is meant`;
  }
  if (url.protocol === "http:" && (reach === "public" || addresses.some(isPublicAddress))) {
    return `${url.origin} is plain http: use https, or set pages.allowPrivate where that is meant`;
  }
  return null;
}

function send(
  { url, headers, body }: Post,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Attempt> {
  const checked = addresses.map((address) => ({ address, family: isIP(address) }));
  const [first = { address: "", family: 0 }] = checked;
  const options: RequestOptions = {
    method: "POST",
    agent: false,
    signal,
    headers: {
      ...headers,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "lastgood",
      connection: "close",
    },
    lookup: (_host, asked, answer) =>
      asked.all ? answer(null, checked) : answer(null, first.address, first.family),
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(
      url,
      options,
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const finish = () => {
          response.destroy();
          resolve({
            kind: "answered",
            status: response.statusCode ?? 0,
            retryAfter: response.headers["retry-after"] ?? null,
            text: Buffer.concat(chunks).toString("utf8").slice(0, keptLetters),
          });
        };
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= answerBytesMax) chunks.push(chunk);
          else finish();
        });
        response.once("end", finish);
        // The status has come: an answer that breaks off or stalls after it was still an answer.
        response.once("error", finish);
      },
    );
    request.once("error", reject);
    onUnaskedUpgrade(request, reject);
    request.end(body);
  });
}

function sayFailure(error: unknown, deadline: AbortSignal, withinMs: number): string {
  if (deadline.aborted) return `no answer within ${withinMs / 1_000} s`;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : String(error);
  return (message === "" ? code : message).slice(0, keptLetters);
}
