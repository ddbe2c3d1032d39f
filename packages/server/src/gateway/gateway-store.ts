/** The SQL of what gateways report, and of the copies that are asked for. */
import type { GatewayExecution, JsonValue, Mirror } from "@lastgood/sdk";
import type { Db, Query } from "../store/database.ts";

const expireMs = 900_000;

/**
 * Executions that passed through a gateway: new ones are written, those that were told as running are brought
 * up to date, anything else is left as it is. Releases that nobody knows are left out; how many were. They are over:
 * a gateway's clock that is ahead, or an epoch that was never made, is no reason to leave them out, and is set right.
 */
export async function saveReported(
  db: Db,
  environment: string,
  executions: readonly GatewayExecution[],
  now: Date,
): Promise<number> {
  if (executions.length === 0) return 0;
  const rows = db.json(executions.map((each) => rowOf(each, now)) as Parameters<Db["json"]>[0]);
  return await db.begin(async (tx) => {
    await tx`
      update executions e
      set state = r.state, error = r.error, next = r.next, ended_at = r.ended_at,
        input = coalesce(r.input, e.input), output = r.output, output_digest = r.output_digest
      from jsonb_to_recordset(${rows}) as r (
        id text, state text, error text, next text, ended_at timestamptz, input jsonb, output jsonb,
        output_digest text)
      where e.id = r.id and e.environment = ${environment} and e.state = 'running'
        and e.door in ('gateway', 'mirror')`;
    const [counted] = await tx<{ unknown: number }[]>`
      with told as (
        select * from jsonb_to_recordset(${rows}) as r (
          id text, artifact text, key text, attempt int, target text, version text, epoch bigint,
          state text, door text, agent text, session text, dimensions jsonb, error text,
          previous text, next text, mirror_of text, begun_at timestamptz, ended_at timestamptz,
          input jsonb, output jsonb, output_digest text)
      ), known as (
        select t.* from told t join releases r on r.artifact = t.artifact and r.version = t.version
      ), written as (
        insert into executions (id, environment, artifact, key, attempt, target, version, epoch,
          state, door, agent, session, dimensions, error, previous, next, mirror_of, begun_at,
          ended_at, input, output, output_digest, expires_at, expire_ms)
        select id, ${environment}, artifact, key, attempt, target, version,
          least(epoch, coalesce((select epoch from environments where name = ${environment}), 0)),
          state, door, agent,
          session, dimensions, error, previous, next, mirror_of, begun_at, ended_at, input, output,
          output_digest, begun_at + ${expireMs} * interval '1 millisecond', ${expireMs}
        from known
        on conflict do nothing
      )
      select (select count(*) from told) - (select count(*) from known) as unknown`;
    return counted?.unknown ?? 0;
  });
}

/** What is kept of a content is plain JSON without NUL; what is none is left out. */
function rowOf(execution: GatewayExecution, now: Date) {
  const notAfter = (at: string | null) =>
    at !== null && Date.parse(at) > now.getTime() ? now.toISOString() : at;
  const { outputDigest, mirrorOf, begunAt, endedAt, input, output, dimensions, ...rest } =
    execution;
  return {
    ...rest,
    door: mirrorOf === null ? "gateway" : "mirror",
    dimensions: Object.keys(dimensions).length === 0 ? null : dimensions,
    ...{ output_digest: outputDigest, mirror_of: mirrorOf },
    ...{ begun_at: notAfter(begunAt), ended_at: notAfter(endedAt) },
    ...{ input: kept(input), output: kept(output) },
  };
}

export const contentBytesMax = 65_536;

function kept(content: JsonValue | undefined): JsonValue {
  if (content === undefined) return null;
  const text = JSON.stringify(content);
  // Half a character is written as an escape, like NUL: PostgreSQL keeps neither.
  if (text.length > contentBytesMax || /\\u(0000|d[89a-f])/i.test(text)) return null;
  return content;
}

export interface MirrorOrder extends Omit<Mirror, "begunAt" | "until"> {
  readonly begunAt: Date;
  readonly until: Date;
}

export async function saveMirror(db: Query, mirror: MirrorOrder): Promise<void> {
  const { environment, artifact, version, percent, by, because, begunAt, until } = mirror;
  await db`
    insert into mirrors (environment, artifact, version, percent, by, because, begun_at, until)
    values (${environment}, ${artifact}, ${version}, ${percent}, ${by}, ${because}, ${begunAt}, ${until})
    on conflict (environment, artifact) do update
    set version = excluded.version, percent = excluded.percent, by = excluded.by,
      because = excluded.because, begun_at = excluded.begun_at, until = excluded.until`;
}

export async function deleteMirror(
  db: Query,
  environment: string,
  artifact: string,
): Promise<boolean> {
  const rows = await db`
    delete from mirrors where environment = ${environment} and artifact = ${artifact} returning 1`;
  return rows.length > 0;
}

/** Those that are not over, with the contents of the releases that they go to. */
export async function mirrorsIn(
  db: Query,
  environment: string,
  now: Date,
): Promise<readonly (MirrorOrder & { readonly content: JsonValue })[]> {
  const rows = await db<(MirrorOrder & { readonly body: string | null })[]>`
    select m.environment, m.artifact, m.version, m.percent, m.by, m.because,
      m.begun_at as "begunAt", m.until, c.body
    from mirrors m
    join releases r on r.artifact = m.artifact and r.version = m.version
    left join release_contents c on c.digest = r.digest
    where m.environment = ${environment} and m.until > ${now} order by m.artifact`;
  return rows.map(({ body, ...mirror }) => ({
    ...mirror,
    content: body === null ? null : (JSON.parse(body) as JsonValue),
  }));
}
