import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type Client, type Connection, createClient } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { tokenFileOf } from "../token-file.ts";

export const defaultPort = 7440;

/**
 * Where Lastgood keeps what it owns: `--home`, LASTGOOD_HOME, `/var/lib/lastgood` for root, otherwise
 * `$XDG_DATA_HOME/lastgood`.
 */
export function defaultHome(): string {
  if (process.env.LASTGOOD_HOME !== undefined) return process.env.LASTGOOD_HOME;
  if (process.getuid?.() === 0) return "/var/lib/lastgood";
  return join(process.env.XDG_DATA_HOME ?? join(homedir(), ".local/share"), "lastgood");
}

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly home?: string | undefined;
}

/** Flags first, then LASTGOOD_URL and LASTGOOD_TOKEN, then the local server's own token file. */
export function resolveConnection(options: ConnectionOptions): Connection {
  const url = options.url ?? process.env.LASTGOOD_URL ?? `http://127.0.0.1:${defaultPort}`;
  const token = options.token ?? process.env.LASTGOOD_TOKEN ?? localToken(options.home);
  return { url, token };
}

export function connect(options: ConnectionOptions): Client {
  return createClient(resolveConnection(options));
}

function localToken(home: string | undefined): string {
  const file = tokenFileOf(home ?? defaultHome());
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new Fault(
      "unauthenticated",
      `No token: pass --token, set LASTGOOD_TOKEN, or start the server here (it writes ${file}).`,
      { cause },
    );
  }
}
