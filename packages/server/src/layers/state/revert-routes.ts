import { Fault } from "../../fault.ts";
import { type Actor, nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import type { ChangeId } from "../../ids.ts";
import { newChangeId, type World } from "../../world.ts";
import {
  type ChangeSetDeps,
  type ChangeSetRevert,
  planChangeSetRevert,
  requireNoConflict,
  writeTogether,
} from "./change-sets.ts";
import { targetOf } from "./document.ts";
import type { ChangeSet } from "./document-store.ts";
import { parseInstant } from "./instant.ts";
import { revertResultSchema, revertSchema } from "./state-schemas.ts";
import { toRevertResult } from "./state-shapes.ts";

/** Taking a change-set back, or looking at what that would do: one code path. */
export function revertRoutes(app: App, deps: ChangeSetDeps): void {
  app.post(
    "/v1/document-reverts",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["state"],
        summary: "Take back everything that a task, an agent in a window, or changes wrote",
        body: revertSchema,
        response: { 200: revertResultSchema },
      },
    },
    async ({ body: { set, preview, withDerived, leaveConflicts, reason }, actor }) => {
      const revert = await planChangeSetRevert(deps, toChangeSet(set, deps.world), { withDerived });
      requireOwn(actor, revert);
      if (preview) return toRevertResult(revert, null);
      if (!leaveConflicts) requireNoConflict(revert);
      return toRevertResult(revert, await write(deps, revert, actor, reason));
    },
  );
}

/** The act's change, or null when there is nothing to do. */
async function write(
  deps: ChangeSetDeps,
  { documents }: ChangeSetRevert,
  actor: Actor,
  reason: string,
): Promise<ChangeId | null> {
  const writable = documents.filter(({ outcome }) => outcome === "clean" || outcome === "merged");
  if (writable.length === 0) return null;
  const id = newChangeId(deps.world);
  await deps.db.begin((tx) =>
    writeTogether(deps, tx, {
      id,
      agent: nameOf(actor),
      task: null,
      session: null,
      reason,
      operation: "revert",
      documents: writable,
      reverts: [...new Set(writable.flatMap((each) => each.reverts))],
    }),
  );
  return id;
}

/** An agent takes back its own, and nobody else's. */
function requireOwn(actor: Actor, { documents }: ChangeSetRevert): void {
  if (actor.role !== "agent") return;
  for (const document of documents) {
    const other = document.takesBack.find((each) => each.agent !== actor.agent);
    if (other === undefined) continue;
    throw new Fault(
      "not_yours",
      `${targetOf(document)} version ${other.version} was written by ${other.agent}: ${actor.agent} may take back its own writes; ask an operator for this one.`,
    );
  }
}

interface GivenSet {
  readonly task?: string | undefined;
  readonly agent?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly changes?: readonly string[] | undefined;
}

function toChangeSet({ task, agent, since, until, changes }: GivenSet, world: World): ChangeSet {
  const at = (text: string, path: string) =>
    new Date(Math.floor(parseInstant(text, world.now(), path) / 1_000));
  return {
    ...(task !== undefined && { task }),
    ...(agent !== undefined && { agent }),
    ...(since !== undefined && { since: at(since, "set/since") }),
    ...(until !== undefined && { until: at(until, "set/until") }),
    ...(changes !== undefined && { changes: changes as readonly ChangeId[] }),
  };
}
