import type { Check, Gap, PostMortem, PostMortemQuestion } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { audit } from "../http/audit.ts";
import type { IncidentId } from "../ids.ts";
import { readTimeline, recordEvent } from "../ledger/timeline.ts";
import type { Db, Json, Query } from "../store/database.ts";
import { gapNamed, questionAnswered, saidOf, withSaid } from "./said.ts";

/** The first writing stands as its date; what is learned later updates it. */
export async function savePostMortem(
  db: Query,
  report: PostMortem,
  markdown: string,
  at: Date,
): Promise<void> {
  await db`
    insert into post_mortems (incident, recovery, content, markdown, written_at, updated_at)
    values (${report.incident}, ${report.recovery}, ${db.json(report as unknown as Json)}, ${markdown}, ${at}, ${at})
    on conflict (incident) do update set
      recovery = excluded.recovery, content = excluded.content,
      markdown = excluded.markdown, updated_at = excluded.updated_at`;
}

/** As it was written, with what people have said since. Faults `not_found`. */
export async function requirePostMortem(db: Query, incident: string): Promise<PostMortem> {
  const [row] = await db<{ content: PostMortem; incident: IncidentId }[]>`
    select content, incident from post_mortems where incident = ${incident}`;
  if (row !== undefined) {
    const timeline = await readTimeline(db, row.incident);
    return withSaid(row.content, saidOf(timeline));
  }
  throw new Fault(
    "not_found",
    `Incident ${incident.slice(0, 80)} has no post-mortem yet: it is written when its recovery is verified.`,
  );
}

export type Word =
  | { readonly kind: "gap"; readonly gap: Gap; readonly because: string }
  | { readonly kind: "answer"; readonly question: PostMortemQuestion; readonly because: string };

/** Adds what somebody says of an incident to its timeline and the audit. Faults `not_found`. */
export async function say(
  db: Db,
  incident: string,
  words: readonly Word[],
  actor: string,
  at: Date,
): Promise<PostMortem> {
  await requirePostMortem(db, incident);
  await db.begin(async (tx) => {
    for (const word of words) {
      const { because } = word;
      const [event, details] =
        word.kind === "gap"
          ? [gapNamed, { gap: word.gap }]
          : [questionAnswered, { question: word.question }];
      // There is a post-mortem of it, so it is an incident's.
      await recordEvent(tx, incident as IncidentId, { at, actor, event, text: because, details });
      const what = { action: `incident.${word.kind}`, target: incident, outcome: "done" } as const;
      await audit(tx, { at, actor, ...what, because });
    }
  });
  return await requirePostMortem(db, incident);
}

export async function saveCheck(db: Query, check: Check, at: Date): Promise<void> {
  await db`
    insert into checks ${db({
      id: check.id,
      incident: check.incident,
      service: check.service,
      command: [...check.command],
      bad_revision: check.badRevision,
      good_revision: check.goodRevision,
      accepted: check.accepted,
      because: check.because,
      runs: check.runs as unknown as Json,
      made_at: at,
    })}`;
}

/** The newest check that was accepted of these two releases, by an incident or by hand. */
export async function acceptedCheckOf(
  db: Query,
  {
    artifact,
    bad,
    good,
  }: { readonly artifact: string; readonly bad: string; readonly good: string },
): Promise<Check | null> {
  const [row] = await db<Check[]>`
    select id, incident, service, command, bad_revision as "badRevision",
           good_revision as "goodRevision", accepted, because, runs
    from checks
    where accepted and service = ${artifact}
      and bad_revision = ${`${artifact}:${bad}`} and good_revision = ${`${artifact}:${good}`}
    order by made_at desc limit 1`;
  return row ?? null;
}

export async function checkOf(db: Query, incident: string): Promise<Check | null> {
  const [row] = await db<Check[]>`
    select id, incident, service, command, bad_revision as "badRevision",
           good_revision as "goodRevision", accepted, because, runs
    from checks where incident = ${incident} order by made_at desc limit 1`;
  return row ?? null;
}
