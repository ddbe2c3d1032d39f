import type { Connection } from "./call.ts";
import { connectionFromEnvironment } from "./environment.ts";
import { type Client, operations } from "./operations.ts";
import { followReleases, type Releases, type ReleasesOptions } from "./releases.ts";
import { type AgentSession, beginSession, type SessionOptions } from "./session.ts";

export interface Lastgood extends Client {
  /** Opens a session of an agent: `await using session = await lastgood.session()`. */
  session(options?: SessionOptions): Promise<AgentSession>;
  /** Follows the pins of an environment: `await using releases = await lastgood.releases({ artifacts })`. */
  releases(options?: ReleasesOptions): Promise<Releases>;
}

/**
 * The whole public API. The CLI and the dashboard use this and nothing else. Without a connection it is
 * LASTGOOD_URL (default http://127.0.0.1:7440) with LASTGOOD_TOKEN.
 */
export function createClient(connection: Connection = connectionFromEnvironment()): Lastgood {
  const client = operations(connection);
  const clientIn = (session: string) => operations({ ...connection, session });
  return {
    ...client,
    session: (options = {}) => beginSession(client, clientIn, options),
    releases: (options = {}) =>
      followReleases(
        client,
        (epoch, session) => operations({ ...connection, epoch, session }),
        options,
      ),
  };
}
