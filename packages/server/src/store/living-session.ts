/**
 * What every room must ask before it writes in a session's name. A session that is over writes nothing:
 * the lock keeps it from ending until the caller's transaction has ended.
 */
import { Fault } from "../fault.ts";
import type { Query, Tx } from "./database.ts";

/**
 * The session lives, and keeps living until the transaction ends. A name that was never opened as a
 * session is a label that its agent chose, and passes. Faults `fenced`.
 */
export async function requireLiving(tx: Tx, session: string | null): Promise<void> {
  if (session === null) return;
  const [row] = await tx<{ ended: boolean }[]>`
    select ended_at is not null as ended from sessions where id = ${session} for key share`;
  if (row?.ended === true) throw sessionIsOver(session);
}

export function sessionIsOver(session: string): Fault {
  return new Fault(
    "fenced",
    `The session ${session} is over: it ended, or another took its place. Stop working, and open a new session.`,
    { context: { session } },
  );
}

/** A piece of work was done in the session: what it counts, and that it is back at work. */
export async function countInSession(
  db: Query,
  session: string | null,
  at: Date,
  { messages = 0 }: { readonly messages?: number } = {},
): Promise<void> {
  if (session === null) return;
  await db`
    update sessions set messages_processed = messages_processed + ${messages},
      resumed_at = coalesce(resumed_at, ${at})
    where id = ${session}`;
}
