/**
 * How a change-set is taken back from one document: a three-way merge over JSON paths, for each run of the
 * set's versions, newest first.
 *
 *     v1  [v2  v3]  v4  [v5]  v6        base = what a run left behind     (v5, then v3)
 *          set           set            theirs = what was there before it (v4, then v1)
 *                                       ours = the head, less what was taken back already
 *
 *     untouched since ─> clean      other paths edited since ─> merged      the same paths ─> conflict
 */

import type { ChangeId } from "../../ids.ts";
import { canonical, type Json, parseCanonical } from "../../json/canonical.ts";
import { differences, type Maybe, sameJson } from "../../json/diff.ts";
import { mergeThreeWay } from "../../json/merge.ts";
import { type DocumentName, targetOf, type Version } from "./document.ts";
import { keepStricter, type NeverRevive } from "./never-revive.ts";

/** `unchanged`: the document already holds what the revert would give. */
export type RevertOutcome = "clean" | "merged" | "conflict" | "unchanged";

export interface RevertConflict {
  /** JSON pointer; `""` is the whole document. */
  readonly path: string;
  /** The later versions that edited there. */
  readonly by: readonly Version[];
  readonly because: string;
}

export interface DocumentRevert extends DocumentName {
  readonly outcome: RevertOutcome;
  /** The head that it was planned on. */
  readonly head: Version;
  readonly from: number;
  /** The version whose body comes back; null when it is merged, or when there was none before. */
  readonly restores: number | null;
  /** Canonical text of what the document will hold; null removes it. */
  readonly body: string | null;
  /** The versions that are taken back, oldest first. */
  readonly takesBack: readonly Version[];
  readonly reverts: readonly ChangeId[];
  readonly conflicts: readonly RevertConflict[];
  /** Paths that keep their newer value, because it is stricter. */
  readonly kept: readonly string[];
}

/**
 * `chain` is the document's versions, oldest first, from the one before the set's first (or from its own
 * first version) to the head; `set` is the versions to take back.
 */
export function planDocumentRevert(
  chain: readonly Version[],
  set: ReadonlySet<number>,
  rules: readonly NeverRevive[],
): DocumentRevert {
  const head = chain.at(-1);
  const first = chain.find((each) => set.has(each.version));
  if (head === undefined || first === undefined) throw new Error("the chain holds none of the set");
  const takesBack = chain.filter((each) => set.has(each.version));
  const common = {
    collection: head.collection,
    id: head.id,
    head,
    from: head.version,
    takesBack,
    reverts: takesBack.map((each) => each.change),
  };
  const erased = neededBodies(chain, set).find((each) => each.body.kind === "erased");
  if (erased !== undefined) {
    const because = `the body of version ${erased.version} was erased`;
    return {
      ...common,
      outcome: "conflict",
      restores: null,
      body: null,
      conflicts: [{ path: "", by: [], because }],
      kept: [],
    };
  }
  const { value, conflicts } = takeBack(chain, set);
  const { value: allowed, kept } = keepStricter(rules, targetOf(head), contentOf(head), value);
  const before = chain.find((each) => each.version === first.version - 1);
  const untouched = chain.every((each) => each.version < first.version || set.has(each.version));
  return {
    ...common,
    outcome:
      conflicts.length > 0
        ? "conflict"
        : sameJson(allowed, contentOf(head))
          ? "unchanged"
          : untouched && kept.length === 0
            ? "clean"
            : "merged",
    restores:
      before !== undefined && before.body.kind === "json" && sameJson(allowed, contentOf(before))
        ? before.version
        : null,
    body: allowed === undefined ? null : canonical(allowed),
    conflicts,
    kept,
  };
}

function takeBack(chain: readonly Version[], set: ReadonlySet<number>) {
  const conflicts: RevertConflict[] = [];
  let value = contentOf(chain.at(-1));
  for (const run of runsNewestFirst(chain, set)) {
    const merged = mergeThreeWay(contentOf(run.last), value, contentOf(run.before));
    value = merged.value;
    for (const path of merged.conflicts) {
      const by = chain.filter(
        (each) =>
          each.version > run.last.version &&
          !set.has(each.version) &&
          pathsOf(chain, each).some((touched) => overlap(touched, path)),
      );
      conflicts.push({ path, by, because: becauseOf(by) });
    }
  }
  return { value, conflicts };
}

function becauseOf(by: readonly Version[]): string {
  const who = by.map((each) => `${each.agent} in version ${each.version}`);
  return `edited since by ${who.join(", ")}`;
}

interface Run {
  readonly before: Version | undefined;
  readonly last: Version;
}

function runsNewestFirst(chain: readonly Version[], set: ReadonlySet<number>): readonly Run[] {
  const runs: Run[] = [];
  for (const [index, each] of chain.entries()) {
    if (!set.has(each.version)) continue;
    const previous = runs.at(-1);
    if (previous?.last.version === each.version - 1 && set.has(each.version - 1)) {
      runs[runs.length - 1] = { before: previous.before, last: each };
    } else runs.push({ before: chain[index - 1], last: each });
  }
  return runs.reverse();
}

/** The head's, and the bodies at both ends of each run. */
function neededBodies(chain: readonly Version[], set: ReadonlySet<number>): readonly Version[] {
  const ends = runsNewestFirst(chain, set).flatMap(({ before, last }) => [before, last]);
  return [chain.at(-1), ...ends].filter((each) => each !== undefined);
}

/** The paths that one version edited against the one before it. */
function pathsOf(chain: readonly Version[], version: Version): readonly string[] {
  const before = chain.find((each) => each.version === version.version - 1);
  return differences(contentOf(before), contentOf(version)).map((each) => each.path);
}

/** Whether one path lies inside the other. */
function overlap(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}/`) || right.startsWith(`${left}/`);
}

/** Undefined where the document is not there, or its body is erased. */
export function contentOf(version: Version | undefined): Maybe {
  return version?.body.kind === "json" ? (parseCanonical(version.body.text) as Json) : undefined;
}
