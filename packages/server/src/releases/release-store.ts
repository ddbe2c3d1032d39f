/** The SQL of releases. Their rows never change: what is added to them has tables of its own. */
import { Fault } from "../fault.ts";
import type { ChangeId } from "../ids.ts";
import type { Query, Tx } from "../store/database.ts";
import { newUuid, type World } from "../world.ts";
import type { Approval, Bar, Body, Release, Score } from "./release.ts";

export async function findRelease(
  db: Query,
  artifact: string,
  version: string,
): Promise<Release | null> {
  const [row] = await selectReleases(db, artifact, { versions: [version], limit: 1 });
  return row ?? null;
}

export async function requireRelease(
  db: Query,
  artifact: string,
  version: string,
): Promise<Release> {
  const found = await findRelease(db, artifact, version);
  if (found !== null) return found;
  throw noRelease(artifact, version);
}

export function noRelease(artifact: string, version: string): Fault {
  return new Fault(
    "not_found",
    `There is no release ${artifact}:${version.slice(0, 100)}: list them with \`lastgood releases list ${artifact}\`, or publish it.`,
    { context: { artifact, version } },
  );
}

/** Those of the versions that there are. */
export async function findReleases(
  db: Query,
  artifact: string,
  versions: readonly string[],
): Promise<readonly Release[]> {
  return await selectReleases(db, artifact, { versions, limit: versions.length });
}

/** Newest first. */
export async function listReleases(
  db: Query,
  artifact: string,
  limit: number,
): Promise<readonly Release[]> {
  return await selectReleases(db, artifact, { versions: null, limit });
}

/** Null for a reference, and where it is retired. */
export async function readContent(db: Query, digest: string): Promise<string | null> {
  const [row] = await db<{ body: string }[]>`
    select body from release_contents where digest = ${digest}`;
  return row?.body ?? null;
}

export type NewRelease = Pick<
  Release,
  "artifact" | "version" | "digest" | "bytes" | "parent" | "author" | "notes" | "publishedAt"
> & { readonly body: Body; readonly change: ChangeId };

/** False where the version is taken. */
export async function insertRelease(tx: Tx, release: NewRelease): Promise<boolean> {
  const { artifact, version, digest, body, bytes, parent, author, notes, publishedAt } = release;
  const reference = body.kind === "reference" ? body.reference : null;
  const rows = await tx`
    insert into releases (artifact, version, digest, reference, bytes, parent, author, notes,
                          published_at, change_id)
    values (${artifact}, ${version}, ${digest}, ${reference}, ${bytes}, ${parent}, ${author},
            ${notes}, ${publishedAt}, ${release.change})
    on conflict (artifact, version) do nothing returning 1`;
  if (rows.length === 0) return false;
  await storeContent(tx, digest, body, publishedAt);
  return true;
}

/** What has its content again is not retired any more. */
export async function restoreContent(
  tx: Tx,
  { artifact, version, digest }: Release,
  body: Body,
  at: Date,
): Promise<void> {
  await storeContent(tx, digest, body, at);
  await tx`delete from retired_releases where artifact = ${artifact} and version = ${version}`;
}

async function storeContent(tx: Tx, digest: string, body: Body, at: Date): Promise<void> {
  if (body.kind === "reference") return;
  await tx`
    insert into release_contents (digest, body, stored_at) values (${digest}, ${body.text}, ${at})
    on conflict (digest) do nothing`;
  // Another release may have had it, and be let go just now: from here on that waits for us.
  await tx`select from release_contents where digest = ${digest} for key share`;
}

export async function insertScores(
  tx: Query,
  { artifact, version }: Pick<Release, "artifact" | "version">,
  scores: readonly Score[],
): Promise<void> {
  if (scores.length === 0) return;
  await tx`
    insert into release_scores ${tx(scores.map((score) => ({ artifact, version, ...score })))}`;
}

/** The first approval of each stands. */
export async function insertApproval(
  tx: Query,
  { artifact, version }: Pick<Release, "artifact" | "version">,
  approval: Approval,
): Promise<void> {
  await tx`
    insert into release_approvals ${tx({ artifact, version, ...approval })}
    on conflict (artifact, version, by) do nothing`;
}

/** Of one change, each version once, however often it is told. */
export async function insertBars(
  tx: Query,
  world: World,
  artifact: string,
  versions: readonly string[],
  { incident, because, by, at, change }: Bar & { readonly change: ChangeId },
): Promise<void> {
  if (versions.length === 0) return;
  const rows = versions.map((version) => ({
    ...{ id: newUuid(world), artifact, version, incident, because },
    ...{ barred_by: by, barred_at: at, change_id: change },
  }));
  await tx`
    insert into release_bars ${tx(rows)} on conflict (change_id, artifact, version) do nothing`;
}

/** Returns how many bars were in force. */
export async function liftBars(
  tx: Query,
  artifact: string,
  versions: readonly string[],
  lift: { readonly at: Date; readonly by: string; readonly because: string },
): Promise<number> {
  const rows = await tx`
    update release_bars
    set lifted_at = ${lift.at}, lifted_by = ${lift.by}, lifted_because = ${lift.because}
    where artifact = ${artifact} and version = any(${[...versions]}) and lifted_at is null
    returning 1`;
  return rows.length;
}

/** What was rolled back for an incident that is closed may come again. */
export async function liftBarsOfClosed(db: Query): Promise<void> {
  await db`
    update release_bars b set lifted_at = i.closed_at, lifted_by = 'lastgood',
                              lifted_because = 'the incident ' || i.id || ' is closed'
    from incidents i
    where i.id = b.incident and i.state = 'closed' and b.lifted_at is null`;
}

/** With the change that rolled each back. */
export async function barsInForce(
  db: Query,
  artifact: string,
): Promise<readonly { readonly version: string; readonly change: ChangeId }[]> {
  await liftBarsOfClosed(db);
  return await db<{ version: string; change: ChangeId }[]>`
    select version, change_id as change from release_bars
    where artifact = ${artifact} and lifted_at is null`;
}

export async function barredVersions(db: Query, artifact: string): Promise<ReadonlySet<string>> {
  return new Set((await barsInForce(db, artifact)).map(({ version }) => version));
}

/** A barred version of the artifact with this very content; null: none. */
export async function barredLike(
  db: Query,
  artifact: string,
  digest: string,
): Promise<string | null> {
  const [row] = await db<{ version: string }[]>`
    select b.version from release_bars b
    join releases r on r.artifact = b.artifact and r.version = b.version
    where b.artifact = ${artifact} and b.lifted_at is null and r.digest = ${digest}
    order by b.barred_at desc limit 1`;
  return row?.version ?? null;
}

interface Row {
  readonly artifact: string;
  readonly version: string;
  readonly digest: string;
  readonly reference: string | null;
  readonly bytes: number;
  readonly parent: string | null;
  readonly author: string;
  readonly notes: string;
  readonly published_at: Date;
  readonly retired_at: Date | null;
  readonly scores: readonly Told<Score>[];
  readonly approvals: readonly Told<Approval>[];
  readonly bar: Told<Bar> | null;
}
/** As JSON gives it: with its time as text. */
type Told<T extends { readonly at: Date }> = Omit<T, "at"> & { readonly at: string };

async function selectReleases(
  db: Query,
  artifact: string,
  { versions, limit }: { versions: readonly string[] | null; limit: number },
): Promise<readonly Release[]> {
  await liftBarsOfClosed(db);
  const rows = await db<Row[]>`
    select r.*, t.at as retired_at,
      coalesce((select jsonb_agg(to_jsonb(s) order by s.name) from (
        select distinct on (name) name, value, by, at, note from release_scores
        where artifact = r.artifact and version = r.version order by name, id desc) s), '[]') as scores,
      coalesce((select jsonb_agg(jsonb_build_object('by', by, 'at', at, 'note', note) order by at)
        from release_approvals a
        where a.artifact = r.artifact and a.version = r.version), '[]') as approvals,
      (select jsonb_build_object('incident', incident, 'because', because, 'by', barred_by,
          'at', barred_at)
        from release_bars b
        where b.artifact = r.artifact and b.version = r.version and b.lifted_at is null
        order by barred_at desc limit 1) as bar
    from releases r
    left join retired_releases t on t.artifact = r.artifact and t.version = r.version
    where r.artifact = ${artifact}
      ${versions === null ? db`` : db`and r.version = any(${[...versions]})`}
    order by r.published_at desc, r.version desc limit ${limit}`;
  return rows.map(toRelease);
}

function toRelease(row: Row): Release {
  return {
    ...{ artifact: row.artifact, version: row.version, digest: row.digest },
    ...{ reference: row.reference, bytes: row.bytes, parent: row.parent },
    ...{ author: row.author, notes: row.notes, publishedAt: row.published_at },
    scores: row.scores.map(dated),
    approvals: row.approvals.map(dated),
    retiredAt: row.retired_at,
    barred: row.bar === null ? null : dated(row.bar),
  };
}

function dated<T extends { readonly at: string }>(told: T): Omit<T, "at"> & { readonly at: Date } {
  return { ...told, at: new Date(told.at) };
}
