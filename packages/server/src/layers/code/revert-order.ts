/** In which order commits go back, and what goes back with them. */
import type { CodeMirror } from "../../git/bare-mirror.ts";
import type { Db } from "../../store/database.ts";
import { commitsWithPatches, recordedAmong } from "./repositories-store.ts";
import { findReverts } from "./reverts-store.ts";

/**
 * The commits as they lie on the branch, newest first; with them every later commit that brought the same
 * patch again after it had been taken back.
 */
export async function newestFirst(
  db: Db,
  mirror: CodeMirror,
  tip: string,
  commits: readonly string[],
): Promise<readonly string[]> {
  const wanted = new Set(commits);
  const history = await mirror.idsBetween(null, tip, historyMax);
  const place = new Map(history.map((id, index) => [id, index]));
  const own = await mirror.readCommits([...wanted]);
  const patches = own.map(({ patchId }) => patchId).filter((id) => id !== null);
  const again = await commitsWithPatches(db, mirror.repository, patches);
  for (const { id, patchId } of own) {
    const began = place.get(id) ?? Number.POSITIVE_INFINITY;
    const later = again
      .filter((each) => each.patchId === patchId && (place.get(each.commit) ?? -1) > began)
      .map((each) => ({ commit: each.commit, index: place.get(each.commit) ?? 0 }));
    if (later.length === 0) continue;
    const since = history.slice(began + 1);
    const back = await takenBackAt(db, mirror.repository, since, { id, patchId });
    for (const each of later) {
      if (back.some((index) => began + 1 + index < each.index)) wanted.add(each.commit);
    }
  }
  return [...wanted].sort((one, other) => (place.get(other) ?? 0) - (place.get(one) ?? 0));
}

const historyMax = 500_000;

/** Where in `since` the commit was taken back: by its patch turned round, or by a revert of ours. */
async function takenBackAt(
  db: Db,
  repository: string,
  since: readonly string[],
  { id, patchId }: { readonly id: string; readonly patchId: string | null },
): Promise<readonly number[]> {
  const recorded = await recordedAmong(db, repository, since);
  const ours = await findReverts(db, repository, since);
  return [...since.entries()]
    .filter(
      ([, commit]) =>
        (patchId !== null && recorded.get(commit)?.inversePatchId === patchId) ||
        ours.some((each) => each.commit === commit && each.commits.includes(id)),
    )
    .map(([index]) => index);
}
