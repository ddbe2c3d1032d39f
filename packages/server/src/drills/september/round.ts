/** One incident, played: a service at its baseline, commits of which one does damage, posts that fail of it. */
import type { Client, Incident } from "@lastgood/sdk";
import type { DrillOptions } from "../drill.ts";
import { followIncident } from "../follow-incident.ts";
import type { Narrator } from "../narrator.ts";
import { until } from "../until.ts";
import type { Cast } from "./cast.ts";
import type { Round } from "./played.ts";
import { explain, measureFrontPage } from "./reading.ts";
import type { Act, Post, Story } from "./story.ts";
import type { SeptemberWorld } from "./world.ts";

export interface Stage {
  readonly told: Narrator;
  readonly story: Story;
  readonly world: SeptemberWorld;
  readonly client: Client;
  readonly cast: Cast;
}

export interface Script {
  readonly acts: readonly Act[];
  /** How many acts of the story came before. */
  readonly from: number;
  readonly posts: readonly Post[];
  /** The incident that was before. */
  readonly after: Incident | null;
}

export async function playRound(
  { signal, patienceMs = recoveredMsMax }: DrillOptions,
  stage: Stage,
  script: Script,
): Promise<Round> {
  const { client, world, told, story } = stage;
  await until("the service to have a baseline", () => baseline(client), {
    withinMs: 90_000,
    signal,
  });
  const before = { explained: await explain(world.databaseUrl), ms: await measureFrontPage(world) };
  told("drill", `the front page takes ${before.ms.toFixed(1)} ms`);
  const { commits, injectedAt } = await pushAll(stage, script, signal);
  const broken = await until("the index to be gone", () => seqScan(world.databaseUrl), {
    withinMs: 30_000,
    everyMs: 50,
    signal,
  });
  told("drill", "the index is gone in production");
  const messages = await schedulePosts(client, story.seed, script.posts, told);
  const patience = { withinMs: patienceMs, signal };
  const { incident, ending } = await followIncident(client, told, patience, script.after);
  return {
    ...{ acts: script.acts, posts: script.posts, commits, injectedAt, messages, incident, ending },
    explained: { before: before.explained, broken, after: await explain(world.databaseUrl) },
    frontPageMs: { before: before.ms, after: await measureFrontPage(world) },
  };
}

/** One push after another, each deployed before the next; or all at once, gathered on a branch before. */
async function pushAll(
  { story, cast, client, told }: Stage,
  { acts, from }: Script,
  signal: AbortSignal,
): Promise<{ commits: readonly string[]; injectedAt: Date }> {
  const commits: string[] = [];
  let injectedAt = new Date();
  for (const [index, act] of acts.entries()) {
    const last = index === acts.length - 1;
    const { commit, pushedAt } = await cast.push(act.agent, {
      act: from + index,
      branch: story.bundled ? "next" : "main",
      live: !story.bundled || last,
    });
    commits.push(commit);
    told(act.agent, `pushed ${commit.slice(0, 7)} ${act.edit.subject}`);
    if (story.bundled ? last : act.guilty) injectedAt = new Date(pushedAt);
    if (!story.bundled && waitsForDeploy(acts, index)) {
      await until(`${commit.slice(0, 7)} to be served`, () => serves(client, commit), {
        withinMs: 30_000,
        everyMs: 50,
        signal,
      });
    }
  }
  return { commits, injectedAt };
}

/** What comes after the guilty commit does not wait: agents do not stop because something broke. */
function waitsForDeploy(acts: readonly Act[], index: number): boolean {
  return index <= acts.findIndex((act) => act.guilty);
}

async function serves(client: Client, commit: string): Promise<true | null> {
  const service = await client.service("content-api");
  return service.revision === commit ? true : null;
}

const recoveredMsMax = 150_000;
const baselineSamples = 60;

async function baseline(client: Client): Promise<true | null> {
  const { rules } = await client.signals({ service: "content-api" });
  const judged = rules.filter((rule) => rule.customerFacing && rule.detector !== "hard");
  const settled = judged.every(
    ({ samples, verdict }) => samples >= baselineSamples && verdict === "hold",
  );
  return judged.length > 0 && settled ? true : null;
}

async function seqScan(databaseUrl: string): Promise<string | null> {
  const plan = await explain(databaseUrl);
  return plan.includes("Seq Scan") ? plan : null;
}

/** The scheduled posts fall due while the damage is on. */
async function schedulePosts(
  client: Client,
  seed: number,
  posts: readonly Post[],
  told: Narrator,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const post of posts) {
    const id = `post-${seed}-${post.slug}`;
    await client.publishMessage({
      agent: "marketing",
      id,
      sender: "scheduler",
      payload: { type: "post.scheduled", post },
    });
    ids.push(id);
  }
  told("scheduler", `asked marketing to publish ${ids.length} posts`);
  return ids;
}
