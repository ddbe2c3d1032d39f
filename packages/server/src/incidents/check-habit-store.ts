import type { CheckRun } from "../sandbox/sandbox.ts";
import type { Query } from "../store/database.ts";

/** How many runs on known-good revisions were recorded within the last days. */
export async function recentCalmRuns(db: Query, service: string, days: number): Promise<number> {
  const [row] = await db<{ runs: number }[]>`
    select count(*) as runs from incident_reruns
    where service = ${service} and known_good and at > now() - ${days} * interval '1 day'`;
  return row?.runs ?? 0;
}

/** Runs of no incident, on what served well. Their output is worth nothing later. */
export async function putCalmRuns(
  db: Query,
  repository: string,
  runs: readonly CheckRun[],
): Promise<void> {
  await db`
    insert into incident_reruns ${db(
      runs.map((run) => ({
        incident: null,
        service: run.service,
        repository,
        revision: run.revision,
        outcome: run.outcome,
        exit_code: run.exitCode,
        at: run.startedAt,
        took_ms: Math.round(run.tookMs),
        output: "",
        known_good: true,
      })),
    )}`;
}
