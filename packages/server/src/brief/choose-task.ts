/** Which task an agent goes on with. Pure. */
import type { Task } from "@lastgood/sdk";

/** Who asks: its session, and the sessions before it that did not end cleanly, the latest first. */
export interface Asking {
  readonly agent: string;
  readonly session: string | null;
  readonly before: readonly string[];
}

/**
 * `claimed`: the asking session has it. `interrupted`: a session before it had it. `begun`: the agent worked
 * on it in another session. `pending`: it waits.
 */
export type Choice =
  | {
      readonly as: "claimed" | "interrupted" | "begun";
      readonly task: Task;
      readonly others: Others;
    }
  | { readonly as: "pending"; readonly task: Task }
  | { readonly as: "none"; readonly task: null };

/** What could be meant as well. */
type Others = readonly string[];

/** What the agent had in hand comes before what waits; of what waits, its own before its roles', oldest first. */
export function chooseTask(tasks: readonly Task[], { agent, session, before }: Asking): Choice {
  const free = tasks.filter(
    ({ state, claim }) =>
      state === "pending" || (state === "in_progress" && claim?.agent === agent),
  );
  const claimed = free
    .filter(({ claim }) => session !== null && claim?.session === session)
    .sort(latestClaim);
  const interrupted = free
    .filter((task) => !claimed.includes(task) && rankIn(before, task) >= 0)
    .sort((one, other) => rankIn(before, one) - rankIn(before, other) || latestClaim(one, other));
  const begun = free
    .filter((task) => task.lastClaim?.agent === agent)
    .filter((task) => !claimed.includes(task) && !interrupted.includes(task))
    .sort((one, other) => latestClaim(other, one));
  const kinds = [
    ["claimed", claimed, interrupted],
    ["interrupted", interrupted, []],
    ["begun", begun, []],
  ] as const;
  for (const [as, [task, ...others], also] of kinds) {
    if (task !== undefined) return { as, task, others: [...others, ...also].map(idOf) };
  }
  const [task] = free.toSorted(
    (one, other) =>
      Number(one.agent !== agent) - Number(other.agent !== agent) ||
      compare(one.createdAt, other.createdAt) ||
      compare(one.id, other.id),
  );
  return task === undefined ? { as: "none", task: null } : { as: "pending", task };
}

function rankIn(sessions: readonly string[], { lastClaim }: Task): number {
  return lastClaim === null ? -1 : sessions.indexOf(lastClaim.session);
}

function latestClaim(one: Task, other: Task): number {
  return (
    compare(other.lastClaim?.since ?? "", one.lastClaim?.since ?? "") || compare(one.id, other.id)
  );
}

function idOf({ id }: Task): string {
  return id;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
