/** Whether a revert took: read afresh from the remote, nothing that `apply` remembers is asked. */
import type { CodeMirror } from "../../git/bare-mirror.ts";
import type { Step, Verification } from "../layer.ts";
import { isApplied, type MigrationsConfig } from "./migrations.ts";
import { readMigrator } from "./migrator.ts";
import { offeredBranch } from "./revert-plan.ts";

type Revert = Step<"code">["action"];

export async function verifyRevert(
  mirror: CodeMirror,
  action: Revert,
  migrations: MigrationsConfig | null,
  signal: AbortSignal,
): Promise<Verification> {
  const tip = await mirror.fetch(signal);
  const where = `${action.branch} of ${action.repository}`;
  if (tip === null) return { ok: false, differences: [`${where} has no commits`] };
  const merged = await mergedAs(mirror, action, tip);
  if (merged === null) return await missing(mirror, action, signal);
  const differences = [
    ...(await notTheRevert(mirror, action, signal)),
    ...(await broughtBack(mirror, action, merged, tip)),
    ...(await stillApplied(action, migrations)),
  ];
  const paths = await readPaths(mirror, action, merged, tip);
  const [first, ...more] = [...differences, ...paths.differences];
  if (first !== undefined) return { ok: false, differences: [first, ...more] };
  const observed = `${where} is at ${tip.slice(0, 12)} and holds the revert ${merged.slice(0, 12)}`;
  return { ok: true, observed: [observed, ...paths.observed] };
}

/** The commit on the branch that is the revert: itself, or the same patch merged by squash or rebase. */
async function mergedAs(mirror: CodeMirror, action: Revert, tip: string): Promise<string | null> {
  if ((await mirror.has(action.to)) && (await mirror.isAncestor(action.to, tip))) return action.to;
  if (action.deliver === "push" || !(await mirror.has(action.to))) return null;
  if (!(await mirror.isAncestor(action.from, tip))) return null;
  const patch = await mirror.patchIdBetween(action.from, action.to);
  const later = await mirror.commitsBetween(action.from, tip, 10_000);
  return later.findLast(({ patchId }) => patchId !== null && patchId === patch)?.id ?? null;
}

async function missing(
  mirror: CodeMirror,
  action: Revert,
  signal: AbortSignal,
): Promise<Verification> {
  const where = `${action.branch} of ${action.repository}`;
  if (action.deliver === "push") {
    return {
      ok: false,
      differences: [`${where} does not hold the revert ${action.to.slice(0, 12)}`],
    };
  }
  const branch = offeredBranch(action.to);
  return (await mirror.remoteTip(branch, signal)) === null
    ? {
        ok: false,
        differences: [`the branch ${branch} is not there, and ${where} does not hold the revert`],
      }
    : { ok: "waiting", waitsFor: `the merge of ${branch} into ${where}` };
}

/** The commit named as the revert is what taking those commits back from that tip truly gives. */
async function notTheRevert(
  mirror: CodeMirror,
  action: Revert,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { from, to, commits } = action;
  const again = await mirror.computeRevert(
    { tip: from, commits, at: new Date(0), message: () => "verified" },
    signal,
  );
  const says = `${to.slice(0, 12)} is not the revert of ${commits.map((id) => id.slice(0, 12)).join(", ")}`;
  if (again.kind !== "reverted") return [says];
  return again.tree === (await mirror.treeOf(to)) ? [] : [says];
}

/** A later commit with the patch of what was reverted brings it back, whatever it is called. */
async function broughtBack(
  mirror: CodeMirror,
  action: Revert,
  merged: string,
  tip: string,
): Promise<readonly string[]> {
  if (merged === tip) return [];
  const reverted = await mirror.readCommits(action.commits);
  const patches = new Set(reverted.map(({ patchId }) => patchId).filter((id) => id !== null));
  const whole = await mirror.patchIdBetween(action.to, action.from);
  if (whole !== null) patches.add(whole);
  const present = new Map<string, string>();
  for (const later of await mirror.commitsBetween(merged, tip, 10_000)) {
    if (later.inversePatchId !== null) present.delete(later.inversePatchId);
    if (later.patchId !== null && patches.has(later.patchId)) present.set(later.patchId, later.id);
  }
  return [...present.values()].map(
    (id) =>
      `${id.slice(0, 12)} brings back what was reverted on ${action.branch} of ${action.repository}`,
  );
}

interface PathsRead {
  readonly observed: readonly string[];
  readonly differences: readonly string[];
}

/** Each reverted path is as the revert made it, unless a later commit altered it. */
async function readPaths(
  mirror: CodeMirror,
  action: Revert,
  merged: string,
  tip: string,
): Promise<PathsRead> {
  const reverted = await mirror.pathsBetween(action.from, action.to);
  const differing = new Set((await mirror.pathsBetween(action.to, tip)).map(({ path }) => path));
  const observed: string[] = [];
  const differences: string[] = [];
  let same = 0;
  for (const { path } of reverted) {
    if (!differing.has(path)) {
      same += 1;
      continue;
    }
    const later = merged === tip ? [] : await mirror.touching(merged, tip, [path]);
    const [newest] = later;
    // A squash or a rebase stands on other commits, which may have altered the path before it.
    if (newest !== undefined) {
      observed.push(
        `${path} was altered later by ${newest.id.slice(0, 12)} (${newest.authorName})`,
      );
    } else if (merged === action.to) {
      differences.push(`${path} is not as the revert made it, and no later commit altered it`);
    }
  }
  return {
    observed: [
      `${same} of ${reverted.length} reverted paths are as the revert made them`,
      ...observed,
    ],
    differences,
  };
}

async function stillApplied(
  { migrations = [] }: Revert,
  config: MigrationsConfig | null,
): Promise<readonly string[]> {
  if (migrations.length === 0 || config === null) return [];
  const rows = await readMigrator(config);
  return migrations
    .filter((file) => isApplied(file, rows))
    .map(({ path }) => `the migration ${path} is still applied in ${config.table}`);
}
