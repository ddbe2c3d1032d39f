/** Judges what was played by what can be read in the world, and sums it up. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Incident, PostMortem } from "@lastgood/sdk";
import type { DrillReport, Proof } from "../drill.ts";
import { readJournal } from "../journal.ts";
import type { Played } from "./played.ts";
import { publishedPosts, readBranch, servedRevision, visitsBetween } from "./reading.ts";

export async function reportOf(played: Played): Promise<DrillReport> {
  const { story, world, client, incident, commits, messages, timeline, settings } = played;
  const guilty = commits[story.acts.findIndex((act) => act.guilty)] ?? "";
  const innocent = commits.filter((commit) => commit !== guilty);
  const branch = await readBranch(world, { guilty, innocent });
  const handled = await handledMessages(played);
  const { pages } = await client.pages();
  const learned = await learn(played, incident);
  const proofs = [
    ...branch.proofs,
    ...handled.proofs,
    ...(await provedRuntime(played, branch.tip)),
    await provedWell(played),
    ...provedIncident(incident, learned, pages.length),
    proof(
      "mode auto is the only setting that was changed",
      settings.mode === "auto",
      settings.mode,
    ),
  ];
  return {
    drill: "september",
    ok: proofs.every(({ holds }) => holds),
    ending: played.ending,
    seed: story.seed,
    variant: story.variant,
    timeline,
    ms: elapsed(played),
    lost: { messages: handled.lost, documents: 0, commits: 0, executions: 0 },
    duplicated: { messages: handled.repeated, effects: handled.doubled, work: 0 },
    incident: incident?.id ?? null,
    suspects: (incident?.suspects ?? []).map(({ change, posterior, observations }) => ({
      change,
      posterior,
      evidence: observations,
    })),
    pages: pages.length,
    postMortem: learned === null ? null : join(world.folder, "post-mortem.md"),
    check: learned?.check?.id ?? null,
    skill: null,
    proofs,
    details: {
      bundled: story.bundled,
      guilty: [guilty],
      reverted: branch.proofs[0]?.holds ? [guilty] : [],
      kept: innocent,
      messages,
      settingsNotDefault: settings.notDefault,
      reruns: incident?.reruns ?? [],
      explain: played.explained,
      frontPageMs: played.frontPageMs,
    },
  };
}

async function handledMessages(played: Played) {
  const { world, story, messages } = played;
  const journal = await readJournal(world.folder, "marketing");
  const count = (event: string, message: string) =>
    journal.filter((line) => line.event === event && line.message === message).length;
  const slugs = story.posts.map((post) => post.slug);
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

async function provedRuntime(played: Played, tip: string): Promise<readonly Proof[]> {
  const served = await servedRevision(played.world);
  const { before, after } = played.frontPageMs;
  return [
    proof("the service runs the branch's tip", served === tip, served.slice(0, 12)),
    proof(
      "the front page is back at its baseline",
      after <= before + Math.max(before, 25),
      `${after.toFixed(1)} ms, before ${before.toFixed(1)} ms`,
    ),
    proof(
      "the index is used again",
      played.explained.after.includes("revisions_by_article"),
      played.explained.after.split("\n")[0] ?? "",
    ),
    proof(
      "without it every look read the whole table",
      played.explained.broken.includes("Seq Scan"),
      "Seq Scan",
    ),
  ];
}

const visitsLookedAt = 5;
const visitsMin = 3;

/** That it is well again was said of what visitors saw since it was put back, not of what was hoped. */
async function provedWell({ world, incident, frontPageMs }: Played): Promise<Proof> {
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

function provedIncident(
  incident: Incident | null,
  learned: PostMortem | null,
  pages: number,
): readonly Proof[] {
  return [
    proof(
      "the incident is closed",
      incident?.state === "closed",
      incident?.state ?? "none was opened",
    ),
    proof("no person was called", pages === 0, `${pages} pages`),
    proof("the post-mortem is written", learned !== null, learned?.title ?? "none"),
    proof(
      "its check was red on the bad revision and green on the good one",
      learned?.check?.accepted === true,
      learned?.check?.because ?? "no check",
    ),
  ];
}

async function learn(played: Played, incident: Incident | null): Promise<PostMortem | null> {
  if (incident === null) return null;
  try {
    const { markdown } = await played.client.postMortemMarkdown(incident.id);
    await writeFile(join(played.world.folder, "post-mortem.md"), markdown);
    return await played.client.postMortem(incident.id);
  } catch {
    // No post-mortem: the proof that it is written says so.
    return null;
  }
}

function elapsed({ incident, injectedAt }: Played): DrillReport["ms"] {
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

function proof(what: string, holds: boolean, seen: string): Proof {
  return { what, holds, seen };
}
