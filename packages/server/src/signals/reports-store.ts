import type { Report } from "@lastgood/sdk";
import type { Query } from "../store/database.ts";

/** What people reported of one service since a moment. */
export interface Reports {
  /** Newest first, at most 100. */
  readonly reports: readonly Report[];
  /** Distinct reporters. */
  readonly reporters: number;
  /** Three distinct reporters: an incident by themselves, and evidence beside other evidence. */
  readonly isWitness: boolean;
}

export const witnessReporters = 3;
export const witnessWithinMs = 3_600_000;

export async function insertReport(db: Query, report: Report): Promise<void> {
  await db`insert into reports ${db({ ...report })}`;
}

export async function reportsOf(db: Query, service: string, since: Date): Promise<Reports> {
  const [count] = await db<{ reporters: number }[]>`
    select count(distinct reporter) as reporters from reports
    where service = ${service} and at >= ${since}`;
  const reporters = count?.reporters ?? 0;
  return {
    reports: await findReports(db, service, since),
    reporters,
    isWitness: reporters >= witnessReporters,
  };
}

/** Newest first, at most 100. */
export async function findReports(
  db: Query,
  service: string | null,
  since: Date,
): Promise<readonly Report[]> {
  const rows = await db<(Omit<Report, "at"> & { at: Date })[]>`
    select id, at, service, reporter, text from reports
    where at >= ${since} ${service === null ? db`` : db`and service = ${service}`}
    order by at desc, id desc limit 100`;
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}
