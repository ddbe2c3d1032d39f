/**
 * The PostgreSQL that sandboxes live on: a cluster of its own, started when the first one is wanted.
 * Nothing in it is worth keeping, so it waits for no disk; and the SQL of a suspect revision never comes
 * near the server that holds what Lastgood knows.
 */
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type EmbeddedServer, startEmbedded } from "../store/embedded.ts";

export interface SandboxServer {
  /** Of a role that may create databases and roles. */
  url(): Promise<string>;
  stop(): Promise<void>;
}

const settings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
  autovacuum: "off",
  max_parallel_workers_per_gather: "0",
} as const;

/** `otherwise`: a server that is used where there are no binaries to start one with. */
export function createSandboxServer({
  home,
  otherwise,
  log,
}: {
  readonly home: string;
  readonly otherwise: string | null;
  readonly log: Logger;
}): SandboxServer {
  let started: Promise<EmbeddedServer | null> | null = null;

  async function start(): Promise<EmbeddedServer | null> {
    try {
      return await startEmbedded({ home, settings, log });
    } catch (error) {
      if (otherwise !== null && error instanceof Fault && error.code === "missing_program") {
        return null;
      }
      throw error;
    }
  }

  return {
    async url() {
      started ??= start().catch((error: unknown) => {
        started = null;
        throw error;
      });
      return (await started)?.url ?? otherwise ?? "";
    },
    async stop() {
      await (await started)?.stop();
    },
  };
}
