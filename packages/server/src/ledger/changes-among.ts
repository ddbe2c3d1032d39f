import { matchesGlob } from "node:path";
import type { Query } from "../store/database.ts";
import type { Change, ChangeFilter, Targets } from "./change.ts";
import { findChanges } from "./ledger-store.ts";

const pageSize = 500;
const pagesMax = 40;

/**
 * Changes of these targets, newest first; `more` when there are others, or when so many were looked through
 * that the rest was left. What a glob means is for `matchesGlob` to say, so the store is read in pages of
 * what may fit.
 */
export async function changesAmong(
  db: Query,
  { limit, ...filter }: ChangeFilter,
  targets: Targets,
): Promise<{ readonly changes: readonly Change[]; readonly more: boolean }> {
  const changes: Change[] = [];
  let after: Pick<ChangeFilter, "after"> = {};
  for (let pages = 0; pages < pagesMax; pages++) {
    const wanted = { ...filter, ...after, perhapsAmong: targets, limit: pageSize };
    const page = await findChanges(db, wanted);
    for (const change of page.filter((each) => isAmong(targets, each))) {
      if (changes.length === limit) return { changes, more: true };
      changes.push(change);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return { changes, more: false };
    after = { after: last.id };
  }
  return { changes, more: true };
}

function isAmong({ exact, globs }: Targets, { layer, target }: Change): boolean {
  return (
    exact.some((each) => each.layer === layer && each.target === target) ||
    globs.some((each) => each.layer === layer && matchesGlob(target, each.glob))
  );
}
