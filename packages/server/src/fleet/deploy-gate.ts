import type { Db } from "../store/database.ts";
import { type Admission, admit, type PushedCommit, stricter } from "./containment.ts";
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

/** In the order given; a commit that the ledger does not know yet is nobody's. */
async function pushedCommits(
  db: Db,
  repository: string,
  commits: readonly string[],
): Promise<readonly PushedCommit[]> {
  return await db<PushedCommit[]>`
    select wanted.id, coalesce(c.agent, '') as agent, coalesce(c.at, 'epoch') as "seenAt"
    from unnest(${[...commits]}::text[]) with ordinality as wanted (id, place)
    left join changes c on c.layer = 'code' and c.kind = 'commit'
      and c.target = ${repository} and c.to_ref = wanted.id
    order by wanted.place`;
}
