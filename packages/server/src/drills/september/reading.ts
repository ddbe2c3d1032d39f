/**
 * What the drill reads in the world with its own eyes: git, the production database, the running
 * service, the agents' journals. Nothing here asks Lastgood.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase } from "../../store/database.ts";
import type { Proof } from "../drill.ts";
import { git } from "../run-git.ts";
import type { SeptemberWorld } from "./world.ts";

const probes = 20;
const probingMsMax = 10_000;
const givesUpMs = 5_000;

/**
 * How long the front page takes now, in milliseconds: the median of twenty calls one after another, of
 * fewer where they take so long that nothing more could be learned. One without an answer counts whole.
 */
export async function measureFrontPage({ port }: SeptemberWorld): Promise<number> {
  const took: number[] = [];
  const until = performance.now() + probingMsMax;
  while (took.length < probes && performance.now() < until) {
    const began = performance.now();
    await fetch(`http://127.0.0.1:${port}/articles`, { signal: AbortSignal.timeout(givesUpMs) })
      .then((response) => response.arrayBuffer())
      .catch(() => {});
    took.push(performance.now() - began);
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)] ?? Number.NaN;
}

/** How PostgreSQL would find an article's last revision now. */
export async function explain(databaseUrl: string): Promise<string> {
  const database = openDatabase(databaseUrl, { max: 1 });
  try {
    const rows = await database<{ "QUERY PLAN": string }[]>`
      explain select max(at) from revisions where article_id = 42`;
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  } finally {
    await database.end();
  }
}

/** What was published, by slug, as production holds it: how many rows, and how many revisions each. */
export async function publishedPosts(
  databaseUrl: string,
  slugs: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const database = openDatabase(databaseUrl, { max: 1 });
  try {
    const rows = await database<{ slug: string; revisions: number }[]>`
      select a.slug, count(r.id) as revisions
      from articles a left join revisions r on r.article_id = a.id
      where a.slug = any(${[...slugs]}) group by a.slug`;
    return new Map(rows.map((row) => [row.slug, row.revisions]));
  } finally {
    await database.end();
  }
}

/** One look at the front page by somebody who uses it. */
export interface Visit {
  readonly at: string;
  /** 0 where no answer came in time. */
  readonly status: number;
  readonly tookMs: number;
}

/** The visits that began and were over in between, oldest first. */
export async function visitsBetween(
  { folder }: SeptemberWorld,
  since: Date,
  until: Date,
): Promise<readonly Visit[]> {
  const text = await readFile(join(folder, "requests.ndjson"), "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Visit)
    .filter(({ at }) => new Date(at) >= since)
    .filter(({ at, tookMs }) => new Date(at).getTime() + tookMs <= until.getTime());
}

export interface Commits {
  readonly guilty: readonly string[];
  readonly innocent: readonly string[];
}

/** Reads the branch: each guilty commit is undone by exactly one revert, every innocent one still stands. */
export async function readBranch(
  { remote, branch }: SeptemberWorld,
  { guilty, innocent }: Commits,
): Promise<{ readonly tip: string; readonly proofs: readonly Proof[] }> {
  const read = (...args: readonly string[]) => git(remote, "founder", ...args);
  const tip = await read("rev-parse", branch);
  const log = await read("log", "--format=%H%x09%s", branch);
  const subjects = log.split("\n").map((line) => line.split("\t")[1] ?? "");
  const ids = log.split("\n").map((line) => line.split("\t")[0] ?? "");
  const reverts = subjects.filter((subject) => subject.startsWith("Revert"));
  const wrong = await Promise.all(
    guilty.map((commit) => read("show", "--no-patch", "--format=%s", commit)),
  );
  const undone = wrong.every((subject) => reverts.some((revert) => revert.includes(subject)));
  const kept = await Promise.all(innocent.map((commit) => stillStands(read, commit, branch)));
  const schema = await read("show", `${branch}:schema.sql`);
  return {
    tip,
    proofs: [
      {
        what:
          guilty.length === 1
            ? "exactly one revert, of the guilty commit"
            : "exactly one revert of each guilty commit, and no other",
        holds: reverts.length === guilty.length && undone,
        seen: reverts.join("; ") || "no revert",
      },
      {
        what: "no commit is gone from the branch",
        holds: [...guilty, ...innocent].every((commit) => ids.includes(commit)),
        seen: `${ids.length} commits`,
      },
      {
        what: "every innocent commit still stands",
        holds: kept.every(Boolean),
        seen: `${kept.filter(Boolean).length} of ${innocent.length}`,
      },
      {
        what: "the index is declared again",
        holds: schema.includes("revisions_by_article"),
        seen: `${schema.match(/create index/g)?.length ?? 0} indexes declared`,
      },
    ],
  };
}

/** Every line that the commit added is still in the file at the tip. */
async function stillStands(
  read: (...args: readonly string[]) => Promise<string>,
  commit: string,
  branch: string,
): Promise<boolean> {
  const paths = (await read("show", "--format=", "--name-only", commit)).split("\n");
  for (const path of paths) {
    const diff = await read("show", "--format=", "--unified=0", commit, "--", path);
    const added = diff
      .split("\n")
      .filter((line) => line.startsWith("+") && !line.startsWith("+++"))
      .map((line) => line.slice(1));
    const now = await read("show", `${branch}:${path}`);
    if (!added.every((line) => now.includes(line))) return false;
  }
  return true;
}

/** What the service says that it runs; empty where it does not answer. */
export async function servedRevision({ port }: SeptemberWorld): Promise<string> {
  const health = fetch(`http://127.0.0.1:${port}/health`, {
    signal: AbortSignal.timeout(givesUpMs),
  });
  const answer = await health
    .then(async (response) => (await response.json()) as { revision: string })
    .catch(() => ({ revision: "" }));
  return answer.revision;
}
