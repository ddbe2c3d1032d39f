/** How an endpoint of models is asked. Whatever it does, the wait for it and what it sends are bounded. */
import { Agent, type IncomingMessage, request as overHttp } from "node:http";
import { request as overHttps, Agent as SecureAgent } from "node:https";
import type { EndpointConfig } from "../config/gateway-settings.ts";
import { onUnaskedUpgrade } from "../unasked-upgrade.ts";
import type { Dialect } from "./dialect.ts";

export type TroubleKind =
  | "endpoint_unreachable"
  | "endpoint_stalled"
  | "endpoint_reset"
  | "endpoint_flooded"
  | "endpoint_ended_early";

/** What an endpoint did wrong, in words that a client may read. */
export class EndpointTrouble extends Error {
  override readonly name = "EndpointTrouble";
  readonly kind: TroubleKind;

  constructor(kind: TroubleKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

export interface Endpoint {
  readonly name: string;
  readonly config: EndpointConfig;
  /**
   * Sends a request and resolves when its answer begins. Throws `EndpointTrouble`, and `signal.reason` when
   * that aborts.
   */
  ask(asked: EndpointRequest, signal: AbortSignal): Promise<IncomingMessage>;
  /** Takes the key out of what the endpoint said. */
  withoutKey(text: string): string;
}

export interface EndpointRequest {
  readonly dialect: Dialect;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EndpointConnections {
  endpoint(name: string, config: EndpointConfig): Endpoint;
  close(): void;
}

const freeSocketsMax = 256;
const lost = new Set(["ECONNRESET", "EPIPE"]);

export function openEndpoints(
  environment: Readonly<Record<string, string | undefined>>,
): EndpointConnections {
  const settings = { keepAlive: true, maxFreeSockets: freeSocketsMax, scheduling: "lifo" } as const;
  const agents = { plain: new Agent(settings), secure: new SecureAgent(settings) };

  function once(
    { url, firstByteWithin }: EndpointConfig,
    { dialect, body, headers }: EndpointRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const target = new URL(`${url.replace(/\/+$/, "")}${dialect.below}`);
    const isSecure = target.protocol === "https:";
    return new Promise((resolve, reject) => {
      const request = (isSecure ? overHttps : overHttp)(target, {
        method: "POST",
        agent: isSecure ? agents.secure : agents.plain,
        headers: { ...headers, "content-length": body.length },
      });
      const leave = () => request.destroy(signal.reason);
      const done = () => {
        isDone = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
      };
      let isDone = false;
      const timer = setTimeout(() => {
        setImmediate(() => {
          if (isDone) return;
          const silent = `it did not begin to answer within ${firstByteWithin} ms`;
          request.destroy(new EndpointTrouble("endpoint_stalled", silent));
        });
      }, firstByteWithin);
      request.once("response", (response) => {
        done();
        resolve(response);
      });
      request.once("error", (error: NodeJS.ErrnoException) => {
        done();
        reject(request.reusedSocket && lost.has(error.code ?? "") ? new SocketWasOld() : error);
      });
      onUnaskedUpgrade(request, (error) => {
        done();
        reject(new EndpointTrouble("endpoint_unreachable", error.message, error));
      });
      signal.addEventListener("abort", leave);
      if (signal.aborted) leave();
      request.end(body);
    });
  }

  return {
    endpoint(name, config) {
      const key = config.keyEnv === undefined ? undefined : environment[config.keyEnv];
      const forms = formsOf(key);
      return {
        ...{ name, config },
        withoutKey: (text) => forms.reduce((said, form) => said.replaceAll(form, hidden), text),
        async ask(asked, signal) {
          const headers = {
            ...asked.headers,
            ...(key === undefined || key === "" ? {} : asked.dialect.keyHeaders(key)),
          };
          for (let tries = 1; ; tries++) {
            try {
              return await once(config, { ...asked, headers }, signal);
            } catch (error) {
              if (signal.aborted) throw signal.reason;
              // It was closed while nobody used it: nothing of the request was read.
              if (error instanceof SocketWasOld && tries < triesMax) continue;
              throw troubleOf(error);
            }
          }
        },
      };
    },
    close() {
      agents.plain.destroy();
      agents.secure.destroy();
    },
  };
}

const triesMax = 3;
const hidden = "(not shown)";

/** How a key may stand in a text: as it is, and as JSON writes it. */
function formsOf(key: string | undefined): readonly string[] {
  if (key === undefined || key === "") return [];
  const inJson = JSON.stringify(key).slice(1, -1);
  return [...new Set([key, inJson, inJson.replaceAll("/", "\\/")])];
}

class SocketWasOld extends Error {
  override readonly name = "SocketWasOld";
}

/** Without addresses or anything else that is not the client's business. */
function troubleOf(error: unknown): EndpointTrouble {
  if (error instanceof EndpointTrouble) return error;
  const { code = "an error" } = error as NodeJS.ErrnoException;
  if (code === "HPE_HEADER_OVERFLOW") {
    return new EndpointTrouble("endpoint_flooded", "its headers have no end", error);
  }
  const isReset = error instanceof SocketWasOld || lost.has(code) || code.startsWith("HPE_");
  return isReset
    ? new EndpointTrouble("endpoint_reset", "it closed the connection before it answered", error)
    : new EndpointTrouble("endpoint_unreachable", `it cannot be reached (${code})`, error);
}

export interface Bounds extends Pick<EndpointConfig, "stallAfter" | "longest"> {
  readonly bytesMax: number;
}

/**
 * Hands an answer on chunk by chunk, and resolves at its end. Each chunk is waited for at most `stallAfter`, all
 * of them at most `longest` and `bytesMax`. While what `take` returned is pending, nothing more is read, and the
 * wait is not the endpoint's. Rejects with `EndpointTrouble`, `signal.reason`, or what `take` threw.
 */
export function passOn(
  answer: IncomingMessage,
  { stallAfter, longest, bytesMax }: Bounds,
  signal: AbortSignal,
  take: (chunk: Buffer) => Promise<void> | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let isTaking = false;
    let isOver = false;
    const over = (error: unknown) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(stall);
      clearTimeout(end);
      signal.removeEventListener("abort", leave);
      answer.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const cut = (kind: TroubleKind, says: string) => over(new EndpointTrouble(kind, says));
    const leave = () => over(signal.reason);
    const stall = setTimeout(() => {
      // Where this process itself was held up, what came meanwhile is read first.
      const before = bytes;
      setImmediate(() => {
        if (isTaking || bytes > before) return;
        cut("endpoint_stalled", `it was silent for ${stallAfter} ms in its answer`);
      });
    }, stallAfter);
    const end = setTimeout(
      () => cut("endpoint_stalled", `its answer took longer than ${longest} ms`),
      longest,
    );
    const torn = (cause?: unknown) => {
      // Every answer is closed once it is over.
      if (!isOver) over(new EndpointTrouble("endpoint_reset", tornSays, cause));
    };
    const taken = () => {
      isTaking = false;
      stall.refresh();
      if (!isOver) answer.resume();
    };
    answer.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        return cut("endpoint_flooded", `its answer has more than ${bytesMax} bytes`);
      }
      stall.refresh();
      try {
        const taking = take(chunk);
        if (taking === undefined) return;
        isTaking = true;
        answer.pause();
        taking.then(taken, over);
      } catch (error) {
        over(error);
      }
    });
    answer.once("end", () => over(undefined));
    answer.on("error", torn);
    answer.once("close", () => torn());
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
  });
}

const tornSays = "it closed the connection in the midst of its answer";
