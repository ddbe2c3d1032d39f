import type { Connection } from "./call.ts";
import { Fault } from "./fault.ts";

const urlDefault = "http://127.0.0.1:7440";

/** A variable of the process; undefined where it is empty, or where there is no process. */
export function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  const value = process?.env?.[name];
  return value === "" ? undefined : value;
}

/** LASTGOOD_URL and LASTGOOD_TOKEN. `unauthenticated` without a token. */
export function connectionFromEnvironment(): Connection {
  const token = environment("LASTGOOD_TOKEN");
  if (token !== undefined) return { url: environment("LASTGOOD_URL") ?? urlDefault, token };
  throw new Fault(
    "unauthenticated",
    "No token: set LASTGOOD_TOKEN, or hand `{ url, token }` to createClient.",
  );
}
