/**
 * Pushes one commit as a compare-and-swap on one branch of the remote. Never a force: the lease names the
 * commit that the branch must still be at, and ours stands on it.
 */
import { Fault } from "../fault.ts";
import { type Git, GitFailure, type GitOptions } from "./git.ts";
import { localReceivePack, type MirrorSource, requireBranch, requireObjectId } from "./remote.ts";

/** `moved`: the branch was not where it was expected; nothing was changed. */
export type Pushed = "pushed" | "moved";

export interface PushRequest {
  readonly commit: string;
  readonly branch: string;
  readonly expected: string | null;
  readonly source: MirrorSource;
}

export async function pushCommit(
  git: Git,
  { commit, branch, expected, source }: PushRequest,
  options: GitOptions,
): Promise<Pushed> {
  const ref = `refs/heads/${requireBranch(branch)}`;
  const lease = expected === null ? "" : requireObjectId(expected);
  const { remote } = source;
  const args = [
    "push",
    "--porcelain",
    "--no-verify",
    "--no-follow-tags",
    `--force-with-lease=${ref}:${lease}`,
    ...(remote.kind === "local" ? [`--receive-pack=${localReceivePack}`] : []),
    "--end-of-options",
    remote.url,
    `${requireObjectId(commit)}:${ref}`,
  ];
  // 1: the remote refused the ref, and standard output says why.
  const answer = await git
    .run(args, { ...options, answers: [0, 1] })
    .catch((error) => refusedOutright(error, source));
  if (answer.code === 0) return "pushed";
  const said = answer.stdout.toString("utf8");
  const line = said.split("\n").find((each) => each.startsWith("!")) ?? said.trim();
  if (
    /stale info|non-fast-forward|fetch first|failed to update ref|cannot lock ref|incorrect old/i.test(
      line,
    )
  ) {
    return "moved";
  }
  if (/checked out/i.test(line)) throw branchCheckedOut(source.name, branch);
  throw new Fault(
    "forbidden",
    `${remote.url} refused a push to ${branch} of ${source.name}: ${reasonOf(line)}. Let Lastgood push there, or set \`deliver: branch\` for the repository to have reverts offered as branches.`,
  );
}

export function branchCheckedOut(repository: string, branch: string): Fault {
  return new Fault(
    "branch_checked_out",
    `${branch} of ${repository} is checked out in a work tree on this machine, and a push would leave its files behind: register that repository's remote instead, or set \`deliver: branch\`.`,
  );
}

function reasonOf(line: string): string {
  return (/\[(.+)\](?: \((.+)\))?/.exec(line)?.slice(1).filter(Boolean).join(", ") ?? line).slice(
    0,
    300,
  );
}

function refusedOutright(error: unknown, source: MirrorSource): never {
  if (!(error instanceof GitFailure)) throw error;
  throw new Fault(
    "layer_unreachable",
    `The repository ${source.name} cannot be pushed to at ${source.remote.url}: ${error.says}. Whether it was pushed is read from the remote on the next try.`,
    { cause: error },
  );
}
