import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../fault.ts";
import type { App } from "./app.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Refuses (`already_open`) an address that is taken, before anything is moved for it. */
export async function requireFreeAddress(address: Address): Promise<void> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (error) => reject(explain(error, address)));
    probe.listen(address.port, address.host, () => probe.close(() => resolve()));
  });
}

/** Listens, and returns the address as a URL. */
export async function listen(app: App, address: Address): Promise<string> {
  try {
    return await app.listen(address);
  } catch (error) {
    throw explain(error, address);
  }
}

const graceMs = 5_000;

/** Answers what is under way and takes nothing new; after five seconds what still hangs is cut. */
export async function stopListening(app: App): Promise<void> {
  const cut = new AbortController();
  void delay(graceMs, undefined, { signal: cut.signal, ref: false }).then(
    () => app.server.closeAllConnections(),
    () => {},
  );
  await app.close();
  cut.abort();
}

function explain(error: unknown, { host, port }: Address): unknown {
  const at = `${host}:${port}`;
  const context = { path: "--port" };
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new Fault(
        "already_open",
        `${at} is taken, perhaps by another Lastgood: stop that one, or choose another port (--port 0 takes a free one).`,
        { cause: error, context },
      );
    case "EACCES":
      return new Fault("bad_input", `${at} may not be listened on: choose a port above 1023.`, {
        cause: error,
        context,
      });
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new Fault("bad_input", `${host} is not an address of this machine: see --host.`, {
        cause: error,
        context: { path: "--host" },
      });
    default:
      return error;
  }
}
