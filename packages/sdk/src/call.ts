import { Fault, type FaultContext, isFaultCode } from "./fault.ts";

export type Query = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

export interface CallOptions {
  readonly query?: Query;
  /** Bytes go as they are, anything else as JSON. */
  readonly body?: unknown;
  /** How the answer is read. Default `json`. */
  readonly answer?: "json" | "bytes";
  readonly signal?: AbortSignal;
  /** How long the whole exchange may take. Default 30,000. */
  readonly timeoutMs?: number;
}

/** One request to the server: JSON (or bytes) in and out, `Fault` on anything but 2xx. */
export type Call = <T>(method: string, path: string, options?: CallOptions) => Promise<T>;

export interface Connection {
  /** Such as `http://127.0.0.1:7440`. */
  readonly url: string;
  readonly token: string;
  /** The session that calls: once it is over, what it asks for is `fenced`. */
  readonly session?: string | undefined;
  /**
   * What the caller resolved before it writes, as `production/customer-service=7`: once that pin moved, the
   * write is `fenced`.
   */
  readonly epoch?: string | undefined;
}

/** A path segment that is safe whatever the id holds. */
export function segment(id: string): string {
  return encodeURIComponent(id);
}

export function callTo({ url, token, session, epoch }: Connection): Call {
  return async <T>(method: string, path: string, options: CallOptions = {}): Promise<T> => {
    const { query = {}, body, signal, timeoutMs = 30_000 } = options;
    const target = targetOf(path, url);
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const each of Array.isArray(value) ? value : [value]) {
        target.searchParams.append(name, String(each));
      }
    }
    const deadline = AbortSignal.timeout(timeoutMs);
    const { response, bytes } = await exchange(target, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        ...(session === undefined ? {} : { "lastgood-session": session }),
        ...(epoch === undefined ? {} : { "lastgood-epoch": epoch }),
        ...(body === undefined ? {} : { "content-type": contentTypeOf(body) }),
      },
      ...(body === undefined ? {} : { body: isBytes(body) ? body : JSON.stringify(body) }),
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    if (response.ok && options.answer === "bytes") return bytes as T;
    const text = new TextDecoder().decode(bytes);
    if (!response.ok) throw faultOf(response, text);
    // The server answers in the shapes that the API types state; its tests hold it to them.
    return (text === "" ? undefined : JSON.parse(text)) as T;
  };
}

/** In memory that nobody shares, as `fetch` asks for. */
function isBytes(body: unknown): body is Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array;
}

function contentTypeOf(body: unknown): string {
  return isBytes(body) ? "application/octet-stream" : "application/json";
}

function targetOf(path: string, url: string): URL {
  if (URL.canParse(url) && /^https?:/.test(url)) return new URL(path, url);
  throw new Fault(
    "bad_input",
    `"${url.slice(0, 200)}" is not the address of a server: write it as http://127.0.0.1:7440.`,
    { context: { path: "--url" } },
  );
}

/** An answer that breaks off, or falls silent, is none. Who called it off hears its own reason. */
async function exchange(
  target: URL,
  request: RequestInit & { readonly signal: AbortSignal },
): Promise<{ readonly response: Response; readonly bytes: Uint8Array }> {
  let response: Response | null = null;
  try {
    response = await fetch(target, request);
    return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
  } catch (cause) {
    const { aborted, reason } = request.signal;
    const timedOut = isTimeout(aborted ? reason : cause);
    if (aborted && !timedOut) throw reason;
    if (timedOut) {
      throw new Fault(
        "timed_out",
        `${target.origin} did not answer ${target.pathname} in time: try again, and look at its log.`,
        { cause },
      );
    }
    throw new Fault(
      "server_unreachable",
      response === null
        ? `Nothing answers at ${target.origin}: start the server with \`lastgood start\`, or name another with --url or LASTGOOD_URL.`
        : `${target.origin} broke off its answer to ${target.pathname}: ask again, and look whether it was done.`,
      { cause },
    );
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

function faultOf(response: Response, text: string): Fault {
  try {
    const problem = JSON.parse(text) as Record<string, unknown>;
    if (isFaultCode(problem.code)) {
      const {
        code,
        detail,
        title,
        type: _type,
        status: _status,
        retry: _retry,
        ...context
      } = problem;
      return new Fault(code, String(detail ?? title), { context: context as FaultContext });
    }
  } catch {
    // Not our problem details: something else answers there.
  }
  return new Fault(
    "server_unreachable",
    `${response.url} answered ${response.status} without a Lastgood problem: is it a Lastgood server?`,
  );
}
