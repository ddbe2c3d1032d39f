/** Documents as a layer that can be put back. */

import { Fault } from "../../fault.ts";
import type { ChangeId } from "../../ids.ts";
import { differences, isObject, type Maybe, sameJson, valueAt } from "../../json/diff.ts";
import { pathOf } from "../../json/pointer.ts";
import type { Query } from "../../store/database.ts";
import {
  type ApplyContext,
  emptyPlan,
  type Layer,
  type Plan,
  type Step,
  type Undo,
  untouched,
  type Verification,
} from "../layer.ts";
import { breakLine, verifyChains } from "./chains.ts";
import {
  authorsOf,
  type ChangeSetDeps,
  type ChangeSetRevert,
  conflictLines,
  planChangeSetRevert,
  planOne,
  writeTogether,
} from "./change-sets.ts";
import { targetOf, type Version } from "./document.ts";
import { versionsFrom } from "./document-store.ts";
import { contentOf, type DocumentRevert } from "./revert-plan.ts";
import { documentKey } from "./version-hash.ts";

type Planned = Step<"state">["action"]["documents"][number];

/** Later versions that `verify` looks through for a second damage. */
const laterVersionsMax = 1_000;

export function createStateLayer(deps: ChangeSetDeps): Layer<"state"> {
  const { db, neverRevive } = deps;
  return {
    kind: "state",
    async plan({ changes }: Undo) {
      if (changes.length === 0) return emptyPlan;
      try {
        return planOf(await planChangeSetRevert(deps, { changes }));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.code === "nothing_to_revert") return emptyPlan;
        return { ...emptyPlan, conflicts: [error.message] };
      }
    },
    async apply({ action }: Step<"state">, context: ApplyContext) {
      await db.begin(async (tx) => {
        if (await alreadyApplied(tx, action.documents, context.changeId)) return;
        await writeTogether(deps, tx, {
          id: context.changeId,
          agent: context.actor,
          task: null,
          session: null,
          reason: context.reason,
          operation: "revert",
          documents: action.documents,
          reverts: action.reverts,
        });
      });
    },
    async verify({ action }, signal) {
      const observed: string[] = [];
      const wrong: string[] = [];
      for (const document of action.documents) {
        const { broken } = await verifyChains(db, document, signal);
        const chain = await versionsFrom(db, document, document.from, laterVersionsMax);
        const differs = [...broken.map(breakLine), ...compare(document, chain)];
        if (differs.length > 0) wrong.push(...differs);
        else observed.push(`${targetOf(document)} is at version ${chain.at(-1)?.version}`);
      }
      return verificationOf(wrong, observed);
    },
    async undo({ action }) {
      const documents: DocumentRevert[] = [];
      for (const each of action.documents) {
        documents.push(await planOne(db, each, new Set([each.from + 1]), neverRevive()));
      }
      return planOf({ documents, derived: [] });
    },
  };
}

function planOf({ documents, derived }: ChangeSetRevert): Plan<"state"> {
  const writable = documents.filter(({ outcome }) => outcome === "clean" || outcome === "merged");
  const targets = writable.map(targetOf);
  return {
    ...emptyPlan,
    steps:
      writable.length === 0
        ? []
        : [
            {
              layer: "state",
              stage: "restore",
              says: `Put back ${targets.slice(0, 3).join(", ")}${targets.length > 3 ? ` and ${targets.length - 3} more` : ""}`,
              action: {
                do: "put-versions",
                documents: writable.map(({ collection, id, from, restores, body }) => ({
                  collection,
                  id,
                  from,
                  restores,
                  body,
                })),
                reverts: [...new Set(writable.flatMap((each) => each.reverts))],
              },
            },
          ],
    losses: writable.map(
      (each) => `${targetOf(each)}: ${authorsOf(each.takesBack)} (kept in its history)`,
    ),
    conflicts: documents.filter((each) => each.outcome === "conflict").flatMap(conflictLines),
    gaps: [
      ...derived.map(
        (each) => `${targetOf(each)} was made from ${each.source}, and stays as it is`,
      ),
      ...writable
        .filter((each) => each.kept.length > 0)
        .map((each) => `${targetOf(each)} keeps its newer value at ${each.kept.join(", ")}`),
    ],
    touches: { ...untouched, documents: writable.length },
  };
}

/** Whether every document carries the version that this act wrote: it writes all of them or none. */
async function alreadyApplied(
  tx: Query,
  documents: readonly Planned[],
  act: ChangeId,
): Promise<boolean> {
  const keys = documents.map((each) => documentKey(each).toString("hex"));
  const [row] = await tx<{ found: number }[]>`
    select count(*)::int as found
    from unnest(${keys}::text[], ${documents.map((each) => each.from + 1)}::bigint[]) as u (hex, ver)
    join document_versions v on v.doc = decode(u.hex, 'hex') and v.ver = u.ver
    where v.act_id = ${act}`;
  return row?.found === documents.length;
}

/** What of the planned document is not there, or was damaged again since. `chain` starts at its `from`. */
function compare(document: Planned, chain: readonly Version[]): readonly string[] {
  const target = targetOf(document);
  const [before, restored, ...later] = chain;
  if (before === undefined || restored === undefined) {
    return [`${target} has no version ${document.from + 1}: it was not put back`];
  }
  const text = restored.body.kind === "json" ? restored.body.text : null;
  if (restored.body.kind === "erased" || text !== document.body) {
    return [`${target} version ${restored.version} by ${restored.agent} is not what was planned`];
  }
  // Other work goes on meanwhile, also where the damage was: only the damage itself counts.
  const damage = differences(contentOf(restored), contentOf(before)).map(({ path }) => path);
  return later.flatMap((each, index) => {
    const previous = index === 0 ? restored : later[index - 1];
    const again = damage.filter((path) => bringsBack(path, before, previous, each));
    const where = again.filter((path) => path !== "").join(", ");
    const at = where === "" ? "" : ` at ${where}`;
    const by = `by ${each.agent} in version ${each.version}`;
    return again.length > 0 ? [`${target} holds again what was taken back${at}, ${by}`] : [];
  });
}

/** Whether a version holds at this path what it held before it was put back, and the one before it did not. */
function bringsBack(
  path: string,
  damaged: Version,
  previous: Version | undefined,
  version: Version,
): boolean {
  const bad = contentAt(damaged, path);
  return (
    version.body.kind !== "erased" &&
    sameJson(contentAt(version, path), bad) &&
    !sameJson(contentAt(previous, path), bad)
  );
}

function contentAt(version: Version | undefined, path: string): Maybe {
  return pathOf(path).reduce<Maybe>(
    (value, key) => (isObject(value) ? valueAt(value, key) : undefined),
    contentOf(version),
  );
}

function verificationOf(wrong: readonly string[], observed: readonly string[]): Verification {
  const [first, ...rest] = wrong;
  return first === undefined
    ? { ok: true, observed }
    : { ok: false, differences: [first, ...rest] };
}
