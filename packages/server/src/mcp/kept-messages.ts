/**
 * Keeps the messages that agents have in hand. A model thinks for longer than an inbox waits for an
 * acknowledgement, and has no timer of its own; but each call that it makes says that it is getting on.
 *
 *   K1. A message is kept while its agent was heard within `patienceMs`, at most as long as the server lets a
 *       handler have it. An agent that hangs, or is gone, loses the message after that.
 *   K2. Bounded: of more than `keptMax` the oldest is no longer kept, and goes to another when its time is up.
 */
import type { Client } from "@lastgood/sdk";
import { Fault, faults } from "../fault.ts";

export interface KeptMessages {
  took(
    session: string,
    client: Pick<Client, "progressMessage">,
    delivery: { readonly token: string; readonly deadline: string },
  ): void;
  settled(token: string): void;
  /** The session's agent called. */
  heard(session: string): void;
  stop(): void;
}

interface Kept {
  readonly session: string;
  readonly client: Pick<Client, "progressMessage">;
  readonly token: string;
  renewAt: number;
  heardAt: number;
}

export const patienceMs = 300_000;
const keptMax = 1_000;
const turnMs = 1_000;

export function createKeptMessages({
  patience = patienceMs,
  everyMs = turnMs,
}: {
  readonly patience?: number;
  readonly everyMs?: number;
} = {}): KeptMessages {
  const kept = new Map<string, Kept>();
  const renewing = new Set<string>();

  async function renew(each: Kept): Promise<void> {
    try {
      const { deadline, renewed } = await each.client.progressMessage(each.token);
      each.renewAt = halfway(deadline);
      if (!renewed) kept.delete(each.token);
    } catch (error) {
      // Fenced, or gone: it is somebody else's. A server that is away is asked again.
      const away = error instanceof Fault && faults[error.code].retry === "later";
      if (!away) kept.delete(each.token);
    }
  }

  function turn(): void {
    const now = Date.now();
    for (const each of kept.values()) {
      if (each.renewAt > now || renewing.has(each.token)) continue;
      if (now - each.heardAt > patience) {
        kept.delete(each.token);
        continue;
      }
      renewing.add(each.token);
      void renew(each).finally(() => renewing.delete(each.token));
    }
  }

  const timer = setInterval(turn, everyMs).unref();
  return {
    took(session, client, { token, deadline }) {
      const now = Date.now();
      kept.set(token, { session, client, token, renewAt: halfway(deadline), heardAt: now });
      const [oldest] = kept.keys();
      if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
    },
    settled(token) {
      kept.delete(token);
    },
    heard(session) {
      const now = Date.now();
      for (const each of kept.values()) if (each.session === session) each.heardAt = now;
    },
    stop() {
      clearInterval(timer);
    },
  };
}

function halfway(deadline: string): number {
  const now = Date.now();
  return now + Math.max(0, (Date.parse(deadline) - now) / 2);
}
