/** What the drill reads in the world of one round, and what that proves. */
import type { DrillReport, Proof } from "../drill.ts";
import { readJournal } from "../journal.ts";
import type { Round } from "./played.ts";
import { publishedPosts, servedRevision, visitsBetween } from "./reading.ts";
import type { SeptemberWorld } from "./world.ts";

export async function handledMessages(world: SeptemberWorld, { messages, posts }: Round) {
  const journal = await readJournal(world.folder, "marketing");
  const count = (event: string, message: string) =>
    journal.filter((line) => line.event === event && line.message === message).length;
  const slugs = posts.map((post) => post.slug);
  const published = await publishedPosts(world.databaseUrl, slugs);
  const lost = messages.filter((message) => count("handled", message) === 0).length;
  const repeated = messages.filter((message) => count("handled", message) > 1).length;
  const doubled = slugs.filter((slug) => (published.get(slug) ?? 0) > 1).length;
  const failed = messages.filter((message) => count("failed", message) > 0).length;
  return {
    lost,
    repeated,
    doubled,
    proofs: [
      proof(
        "each message was handled exactly once",
        lost === 0 && repeated === 0,
        `${lost} lost, ${repeated} repeated of ${messages.length}, ${failed} had failed before`,
      ),
      proof(
        "each post is published exactly once",
        published.size === slugs.length && doubled === 0,
        `${published.size} of ${slugs.length}, ${doubled} doubled`,
      ),
      proof(
        "the damage reached the messages",
        failed > 0,
        `${failed} of ${messages.length} failed at first`,
      ),
    ],
  };
}

export async function provedRuntime(
  world: SeptemberWorld,
  { frontPageMs: { before, after }, explained }: Round,
  tip: string,
): Promise<readonly Proof[]> {
  const served = await servedRevision(world);
  return [
    proof("the service runs the branch's tip", served === tip, served.slice(0, 12)),
    proof(
      "the front page is back at its baseline",
      after <= before + Math.max(before, 25),
      `${after.toFixed(1)} ms, before ${before.toFixed(1)} ms`,
    ),
    proof(
      "the index is used again",
      explained.after.includes("revisions_by_article"),
      explained.after.split("\n")[0] ?? "",
    ),
    proof(
      "without it every look read the whole table",
      explained.broken.includes("Seq Scan"),
      "Seq Scan",
    ),
  ];
}

const visitsLookedAt = 5;
const visitsMin = 3;

/** That it is well again was said of what visitors saw since it was put back, not of what was hoped. */
export async function provedWell(
  world: SeptemberWorld,
  { incident, frontPageMs }: Round,
): Promise<Proof> {
  const what = "visitors were served well when it was called verified";
  if (incident?.verifiedAt == null || incident.restoredAt === null) {
    return proof(what, false, "it never was");
  }
  const [since, until] = [new Date(incident.restoredAt), new Date(incident.verifiedAt)];
  const visits = (await visitsBetween(world, since, until)).slice(-visitsLookedAt);
  const slowMs = Math.max(10 * frontPageMs.before, 250);
  const well = visits.filter(({ status, tookMs }) => status === 200 && tookMs <= slowMs);
  return proof(
    what,
    visits.length >= visitsMin && well.length === visits.length,
    `${well.length} of the last ${visits.length} visits since it was restored, ${visits.map(({ tookMs }) => tookMs).join(", ")} ms`,
  );
}

export function elapsed({ incident, injectedAt }: Round): DrillReport["ms"] {
  const at = (text: string | null | undefined) => (text == null ? null : new Date(text).getTime());
  const detected = at(incident?.detectedAt);
  const decided = at(incident?.decidedAt);
  const contained = at(incident?.containedAt);
  const verified = at(incident?.verifiedAt);
  const resumed = at(incident?.resumedAt);
  const injected = injectedAt.getTime();
  const span = (from: number | null, to: number | null) =>
    from === null || to === null ? null : to - from;
  return {
    injectedToDetected: span(injected, detected),
    detectedToDecided: span(detected, decided),
    decidedToContained: span(decided, contained),
    containedToVerified: span(contained, verified),
    injectedToVerified: span(injected, verified),
    injectedToResumed: span(injected, resumed),
  };
}

export function proof(what: string, holds: boolean, seen: string): Proof {
  return { what, holds, seen };
}
