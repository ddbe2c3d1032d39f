/**
 * The connection to NATS. It is made in the background and made again for ever; who needs it waits a
 * bounded time, and is told `layer_unreachable` after that.
 */
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { Fault } from "../../../fault.ts";

export interface NatsLink {
  /** The connection while it is up; `layer_unreachable` after 2 s without one. */
  connection(): Promise<NatsConnection>;
  manager(): Promise<JetStreamManager>;
  client(): Promise<JetStreamClient>;
  /** Null until the first connection. */
  version(): string | null;
  reachable(): boolean;
  close(): Promise<void>;
}

export interface NatsLinkOptions {
  readonly url: string;
  onDisconnected(): void;
  onReconnected(): void;
}

const waitMsMax = 2_000;
const retryMsMax = 2_000;
/** How long one request to the server may take. */
export const requestMs = 3_000;

export function openNatsLink({ url, onDisconnected, onReconnected }: NatsLinkOptions): NatsLink {
  const servers = url
    .split(",")
    .map((each) => new URL(each.includes("://") ? each : `nats://${each}`));
  const [{ username, password } = { username: "", password: "" }] = servers;
  const waiting = new Set<() => void>();
  const closing = new AbortController();
  let connection: NatsConnection | null = null;
  let up = false;

  // Why the last try failed, for whoever needs the connection meanwhile.
  let refusal: unknown = null;

  async function live(): Promise<void> {
    for (let tries = 0; !closing.signal.aborted; tries++) {
      try {
        connection = await connect({
          servers: servers.map((each) => each.host),
          ...(username === "" ? {} : { user: decodeURIComponent(username) }),
          ...(password === "" ? {} : { pass: decodeURIComponent(password) }),
          name: "lastgood",
          maxReconnectAttempts: -1,
          reconnectTimeWait: 100,
          timeout: waitMsMax,
        });
        tries = 0;
        await follow(connection);
      } catch (error) {
        refusal = error;
      }
      up = false;
      await delay(Math.min(retryMsMax, 100 * 2 ** Math.min(tries, 5)), closing.signal);
    }
  }

  async function follow(made: NatsConnection): Promise<void> {
    if (closing.signal.aborted) return await made.close();
    rise();
    for await (const status of made.status()) {
      if (status.type === "disconnect" || status.type === "staleConnection") {
        up = false;
        onDisconnected();
      }
      if (status.type === "reconnect") {
        rise();
        onReconnected();
      }
    }
  }
  const lived = live();

  function rise(): void {
    up = true;
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  async function ready(): Promise<NatsConnection> {
    if (!up) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMsMax);
        waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    if (connection !== null && up) return connection;
    throw new Fault(
      "layer_unreachable",
      `NATS does not answer at ${servers.map((each) => each.host).join(", ")}: start it, or correct messages.url in lastgood.yaml.`,
      refusal === null ? {} : { cause: refusal },
    );
  }

  return {
    connection: ready,
    manager: async () => jetstreamManager(await ready(), { timeout: requestMs, checkAPI: false }),
    client: async () => jetstream(await ready(), { timeout: requestMs }),
    version: () => connection?.info?.version ?? null,
    reachable: () => up,
    async close() {
      closing.abort();
      for (const resolve of waiting) resolve();
      await connection?.close();
      await lived;
    },
  };
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** Runs a request to NATS; what fails on the way is `layer_unreachable`, what it refuses says why. */
export async function asking<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    if (cause instanceof JetStreamApiError) {
      throw new Fault("state_forbids", `NATS refused to ${what}: ${cause.message}.`, { cause });
    }
    if (cause instanceof Error && away.has(cause.name)) {
      throw new Fault(
        "layer_unreachable",
        `NATS did not ${what} in time (${cause.message}): it is away or busy; try again shortly.`,
        { cause },
      );
    }
    throw cause;
  }
}

const away = new Set([
  "TimeoutError",
  "NoResponders",
  "RequestError",
  "ConnectionError",
  "ClosedConnectionError",
  "DrainingConnectionError",
  "JetStreamNotEnabled",
  "JetStreamError",
  "JetStreamStatusError",
]);

/** Whether the server is at least `major.minor`. */
export function atLeast(version: string | null, major: number, minor: number): boolean {
  const [ofMajor = 0, ofMinor = 0] = (version ?? "0.0").split(".").map(Number);
  return ofMajor > major || (ofMajor === major && ofMinor >= minor);
}
