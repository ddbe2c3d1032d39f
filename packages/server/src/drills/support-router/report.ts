/** Judges what was played by what can be read in the world, and sums it up. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Incident, PostMortem } from "@lastgood/sdk";
import type { DrillReport } from "../drill.ts";
import { provedLearning } from "./learned.ts";
import { provedOutage } from "./outage-proofs.ts";
import type { Played } from "./played.ts";
import { proof } from "./proof.ts";
import { accuracyBy, lastAnswerOf, unanswered } from "./reading.ts";
import { provedSurge, triggeredAt } from "./surge-proofs.ts";

export async function reportOf(played: Played): Promise<DrillReport> {
  const { story, client, incident, ending, requests, timeline, settings } = played;
  const learned = incident === null ? null : await learn(played, incident);
  const { pages } = await client.pages();
  const isSurge = story.variant === "surge";
  const proofs = [
    ...(isSurge ? await provedSurge(played, pages.length) : await provedOutage(played)),
    ...(isSurge ? await provedLearning(played, learned) : []),
    proof(
      "mode auto is the only setting that was changed",
      settings.mode === "auto" && settings.notDefault.length === 0,
      [settings.mode, ...settings.notDefault].join(", "),
    ),
  ];
  const lost = isSurge ? unanswered(requests).length : 0;
  return {
    drill: "support-router",
    ok: proofs.every(({ holds }) => holds),
    ...{ ending, seed: story.seed, variant: story.variant, timeline },
    ms: elapsed(played),
    lost: { messages: lost, documents: 0, commits: 0, executions: 0 },
    duplicated: { messages: 0, effects: 0, work: 0 },
    incident: incident?.id ?? null,
    suspects: (incident?.suspects ?? []).map(({ change, posterior, observations }) => ({
      ...{ change, posterior, evidence: observations },
    })),
    pages: pages.length,
    postMortem: learned === null ? null : join(played.world.folder, "post-mortem.md"),
    check: learned?.check?.id ?? null,
    skill: null,
    proofs,
    details: detailsOf(played),
  };
}

function detailsOf(played: Played): Readonly<Record<string, unknown>> {
  const { story, requests, ended, injectedAt, pins, settings, candidates } = played;
  const before = requests.filter(({ at }) => new Date(at) < injectedAt);
  const after = requests.filter(({ at }) => new Date(at) >= injectedAt);
  return {
    guilty: story.variant === "surge" ? ["14"] : [],
    reverted: ended.phase === "rolled-back" ? [ended.candidate] : [],
    kept: pins[0]?.shares.map(({ version }) => version) ?? [],
    settingsNotDefault: settings.notDefault,
    ...{ surge: story.surge, outage: story.outage, holdback: story.holdback },
    inFlight: story.inFlight,
    tickets: requests.length,
    accuracy: { before: accuracyBy(before), after: accuracyBy(after) },
    plan: ended.plan,
    verdict: ended.events.find(({ event }) => event === "rollout.frozen")?.details ?? null,
    candidates: candidates.map(({ candidate, phase, says }) => ({ candidate, phase, says })),
    pins: pins.map(({ epoch, at, by, shares }) => ({ epoch, at, by, shares })),
  };
}

async function learn({ client, world }: Played, { id }: Incident): Promise<PostMortem | null> {
  try {
    const { markdown } = await client.postMortemMarkdown(id);
    await writeFile(join(world.folder, "post-mortem.md"), markdown);
    return await client.postMortem(id);
  } catch {
    // No post-mortem: the proof that it is written says so.
    return null;
  }
}

function elapsed(played: Played): DrillReport["ms"] {
  const { incident, injectedAt, requests, story } = played;
  const at = (text: string | null | undefined) => (text == null ? null : new Date(text).getTime());
  const injected = injectedAt.getTime();
  const detected = triggeredAt(played)?.getTime() ?? at(incident?.detectedAt);
  const decided = at(incident?.decidedAt);
  const verified = at(incident?.verifiedAt);
  const isBack = story.variant === "surge" && played.ended.phase === "rolled-back";
  const resumed = isBack ? (lastAnswerOf(requests, "14")?.getTime() ?? null) : null;
  const span = (from: number | null, to: number | null) =>
    from === null || to === null ? null : to - from;
  return {
    injectedToDetected: span(injected, detected),
    detectedToDecided: span(detected, decided),
    decidedToContained: span(decided, at(incident?.containedAt)),
    containedToVerified: span(at(incident?.containedAt), verified),
    injectedToVerified: span(injected, verified),
    injectedToResumed: span(injected, resumed),
  };
}
