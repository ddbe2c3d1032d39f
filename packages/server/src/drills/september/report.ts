/** Judges what was played by what can be read in the world, and sums it up. */
import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Incident, PostMortem } from "@lastgood/sdk";
import type { DrillReport, Proof } from "../drill.ts";
import { figuresOf, gainFrom, provedAgain } from "./again.ts";
import { guiltyOf, type Played } from "./played.ts";
import { elapsed, handledMessages, proof, provedRuntime, provedWell } from "./proofs.ts";
import { readBranch } from "./reading.ts";

export async function reportOf(played: Played): Promise<DrillReport> {
  const { story, world, client, incident, messages, timeline, settings, again } = played;
  const rounds = again === null ? [played] : [played, again];
  const commits = rounds.flatMap((round) => round.commits);
  const guilty = rounds.map(guiltyOf);
  const innocent = commits.filter((commit) => !guilty.includes(commit));
  const branch = await readBranch(world, { guilty, innocent });
  const handled = await handledMessages(world, played);
  const { pages } = await client.pages();
  const learned = await learn(played, incident);
  const proofs = [
    ...branch.proofs,
    ...handled.proofs,
    ...(await provedRuntime(world, played, branch.tip)),
    await provedWell(world, played),
    ...provedIncident(incident, learned, pages.length),
    ...(await provedSkill(played)),
    ...(again === null ? [] : await provedAgain(played, again, branch.tip)),
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
    skill: played.skill,
    ...(again === null ? {} : { gain: gainFrom(played, again) }),
    proofs,
    details: {
      bundled: story.bundled,
      guilty,
      reverted: branch.proofs[0]?.holds ? guilty : [],
      kept: innocent,
      messages,
      settingsNotDefault: settings.notDefault,
      reruns: incident?.reruns ?? [],
      explain: played.explained,
      frontPageMs: played.frontPageMs,
      ...(again === null ? {} : { again: figuresOf(played, again) }),
    },
  };
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

/** What the agents' machines have of it, as `lastgood skills sync` wrote it. */
async function provedSkill({ skill, incident }: Played): Promise<readonly Proof[]> {
  const text = skill === null ? "" : await readFile(skill, "utf8").catch(() => "");
  const named = incident !== null && text.includes(incident.id);
  const seen = skill === null ? "none" : basename(dirname(skill));
  return [proof("its skill is on the agents' machines", named, seen)];
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
