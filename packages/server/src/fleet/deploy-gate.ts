import type { Db } from "../store/database.ts";
import {
  type Admission,
  admit,
  type HeldCommit,
  heldBack,
  type PushedCommit,
  stricter,
} from "./containment.ts";
import { containmentsInForce } from "./fleet-store.ts";

/** Asked before anything of a repository goes live. Commits oldest first, the last one to be served. */
export type MayDeploy = (repository: string, commits: readonly string[]) => Promise<Admission>;

/** What a contained hand pushes is not deployed, and neither is what `others` refuse. */
export function createDeployGate(db: Db, others: MayDeploy): MayDeploy {
  return async (repository, commits) => {
    const [containments, answer] = await Promise.all([
      containmentsInForce(db),
      others(repository, commits),
    ]);
    if (containments.length === 0) return answer;
    const pushed = await pushedCommits(db, repository, commits);
    return stricter(admit(pushed, containments), answer, commits);
  };
}

/** Of the commits, oldest first, those that must not go live with a revert. */
export type HeldBack = (
  repository: string,
  commits: readonly string[],
) => Promise<readonly HeldCommit[]>;

/** The gate's question for what a recovery serves: what is live all the same is held back no more. */
export function createHeldBack(db: Db): HeldBack {
  return async (repository, commits) => {
    const containments = await containmentsInForce(db);
    if (containments.length === 0) return [];
    const pushed = await pushedCommits(db, repository, commits);
    const live = new Set(pushed.filter((each) => each.live).map(({ id }) => id));
    return heldBack(pushed, containments).filter(({ commit }) => !live.has(commit));
  };
}

/** In the order given. */
async function pushedCommits(
  db: Db,
  repository: string,
  commits: readonly string[],
): Promise<readonly (PushedCommit & { readonly live: boolean })[]> {
  return await db<(PushedCommit & { live: boolean })[]>`
    select wanted.id, coalesce(c.agent, '') as agent, c.at as "seenAt",
           exists (select from exposures e where e.change_id = c.id) as live
    from unnest(${[...commits]}::text[]) with ordinality as wanted (id, place)
    left join changes c on c.layer = 'code' and c.kind = 'commit'
      and c.target = ${repository} and c.to_ref = wanted.id
    order by wanted.place`;
}
