import type { Config } from "../config/config.ts";
import { distance, reachedFrom, upstreamOf } from "../config/graph.ts";
import { Fault } from "../fault.ts";
import type { Commit, Mirrors } from "../git/mirror.ts";
import type { Sandboxes } from "../sandbox/sandbox.ts";
import type { Query } from "../store/database.ts";
import { type CommitLine, lineOf, type Undone } from "./line.ts";
import {
  type Candidate,
  exposedCandidates,
  undoneSince,
  writtenCandidates,
} from "./triage-store.ts";

/** A candidate with its way to what fails. */
export interface Suspected extends Candidate {
  readonly distance: number | null;
}

export const suspectsMax = 50;
const writesLookedAt = 500;

/** One probe interval of the service: a sample tells of the time since the one before it. */
export function slackOf(config: Config, service: string): number {
  const probes = Object.values(config.services[service]?.probes ?? {});
  return Math.max(1_000, ...probes.map((probe) => probe.every));
}

/**
 * Every change that could reach `service` and went live in time, at most `changeAge` before the onset;
 * the newest fifty. `asOf` is when the question is asked: what was taken back by then is no suspect.
 */
export async function gather(
  db: Query,
  config: Config,
  { service, onset, asOf }: { service: string; onset: Date; asOf: Date },
): Promise<readonly Suspected[]> {
  const window = {
    since: new Date(onset.getTime() - config.caps.changeAge),
    until: new Date(onset.getTime() + slackOf(config, service)),
    asOf,
  };
  const exposed = await exposedCandidates(db, {
    ...window,
    services: upstreamOf(config, service),
    limit: suspectsMax,
  });
  const written = await writtenCandidates(db, { ...window, limit: writesLookedAt });
  const suspected = [...exposed, ...written].map((candidate) => ({
    ...candidate,
    distance: distance(config, candidate.change, service),
  }));
  return suspected
    .filter((each) => each.distance !== null)
    .sort((one, other) => other.exposedAt.getTime() - one.exposedAt.getTime())
    .slice(0, suspectsMax);
}

/** Services that damage from none of the suspects, nor from the failing service, can reach. */
export function peersOf(
  config: Config,
  failing: readonly string[],
  suspected: readonly Suspected[],
): readonly string[] {
  const touched = new Set(
    [
      ...failing,
      ...suspected.flatMap(({ change }) => change.exposures.map((each) => each.service)),
    ].flatMap((service) => reachedFrom(config, service)),
  );
  return Object.keys(config.services).filter((service) => !touched.has(service));
}

/** Suspected commits of one repository that a service's sandbox can tell apart. */
export interface LineWork {
  readonly repository: string;
  readonly service: string;
  readonly line: CommitLine;
}

/**
 * The lines along which reruns can split the suspects, one per repository whose service declares a
 * sandbox; the line with the likeliest service (the failing one itself) first.
 */
export async function linesOf(
  config: Config,
  { db, mirrors, sandboxes }: { db: Query; mirrors: Mirrors; sandboxes: Sandboxes },
  failing: string,
  suspected: readonly Suspected[],
): Promise<{ readonly lines: readonly LineWork[]; readonly without: readonly string[] }> {
  const commits = suspected.filter(({ change }) => change.layer === "code" && change.to !== null);
  const repositories = [...new Set(commits.map(({ change }) => change.target))];
  const near = upstreamOf(config, failing);
  const lines: LineWork[] = [];
  const without: string[] = [];
  for (const repository of repositories) {
    const service = near.find(
      (each) => config.services[each]?.repository === repository && sandboxes.declared(each),
    );
    if (service === undefined) {
      without.push(`no service of ${repository} declares a sandbox: its commits cannot be rerun`);
      continue;
    }
    const own = commits.filter(({ change }) => change.target === repository);
    try {
      const oldest = new Date(Math.min(...own.map(({ change }) => change.at.getTime())));
      const undone = await undoneSince(db, repository, oldest);
      const line = await readLine(mirrors, repository, own, undone);
      if (line === null) without.push(`the suspects of ${repository} are not on its branch`);
      else lines.push({ repository, service, line });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      without.push(`${repository} could not be read: ${error.message}`);
    }
  }
  const rank = (each: LineWork) => near.indexOf(each.service);
  return { lines: lines.sort((one, other) => rank(one) - rank(other)), without };
}

const historyMax = 1_000;

async function readLine(
  mirrors: Mirrors,
  repository: string,
  own: readonly Suspected[],
  undone: readonly Undone[],
): Promise<CommitLine | null> {
  const mirror = await mirrors.of(repository);
  const tip = await mirror.tip();
  if (tip === null) return null;
  const oldest = own.reduce((one, other) => (other.change.at < one.change.at ? other : one));
  const base = oldest.change.from;
  const history: readonly Commit[] = await mirror.commitsBetween(base, tip, historyMax);
  return lineOf(history, new Set(own.map(({ change }) => change.to ?? "")), undone);
}
