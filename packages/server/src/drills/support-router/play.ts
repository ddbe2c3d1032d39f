/** Plays the story: v13 serves, v14 goes out and is live, and then the surge comes, or the outage. */
import type { Client, Incident, RolloutDetails } from "@lastgood/sdk";
import type { DrillOptions, Ending } from "../drill.ts";
import { followIncident } from "../follow-incident.ts";
import type { Narrator } from "../narrator.ts";
import { until } from "../until.ts";
import type { Cast } from "./cast.ts";
import type { Played } from "./played.ts";
import {
  accuracyOf,
  lastAnswerOf,
  readRequests,
  sentBetween,
  share,
  unanswered,
} from "./reading.ts";
import { publish, reaches, rollOut, type Teller } from "./releases.ts";
import { artifact, environment, type Story, shardCount } from "./story.ts";
import type { RouterWorld } from "./world.ts";

export interface Stage {
  readonly options: DrillOptions;
  readonly told: Narrator;
  /** Of rollouts. */
  readonly tell: Teller;
  readonly story: Story;
  readonly world: RouterWorld;
  readonly client: Client;
  readonly cast: Cast;
}

type Ended = Pick<
  Played,
  "injectedAt" | "mendedAt" | "toldApart" | "incident" | "ending" | "candidates" | "ended"
>;

/** What the gate compares on has to have come before there is a candidate. */
const ticketsBefore = 200;
const ticketsAfterwards = 300;
const trafficMsMax = 90_000;
const liveMsMax = 120_000;
const backMsMax = 150_000;
const followsMsMax = 5_000;

export async function play(stage: Stage): Promise<Omit<Played, "settings">> {
  const { client, story, world, told } = stage;
  const live = await goLive(stage);
  const ended = story.variant === "surge" ? await surge(stage, live) : await outage(stage, live);
  await stage.cast.traffic({ traffic: "none" });
  const { history, stragglers } = await allFollowed(stage);
  const requests = await readRequests(world);
  return {
    ...{ story, world, client, live, requests, timeline: told.timeline, pins: history },
    ...ended,
    stragglers: stragglers.length,
  };
}

/** The last pin may have moved a moment ago: whoever has not followed it by now is a straggler. */
async function allFollowed({ client, options: { signal } }: Stage) {
  const look = async () => {
    const pin = await client.pin(environment, artifact);
    return pin.stragglers.length === 0 ? pin : null;
  };
  const patience = { withinMs: followsMsMax, signal };
  return await until("every consumer to follow", look, patience).catch(async () => {
    signal.throwIfAborted();
    return await client.pin(environment, artifact);
  });
}

async function goLive(stage: Stage): Promise<RolloutDetails> {
  const { client, cast, story, told, options } = stage;
  await client.declareArtifact(artifact, { kind: "model", inFlight: story.inFlight });
  await publish(client, "13");
  await client.deployRelease(environment, artifact, { version: "13", because: "the first" });
  await cast.open();
  await cast.traffic({ traffic: "calm" });
  await passed(stage, new Date(), ticketsBefore);
  const patience = { withinMs: liveMsMax, signal: options.signal };
  const ends = ["live", "refused", "frozen", "rolled-back"] as const;
  const live = await rollOut(stage, "14", ends, patience);
  await passed(stage, new Date(), story.calmTickets);
  told("drill", `v14 is ${live.phase}; calm: ${await accuracySince(stage, new Date(live.since))}`);
  return live;
}

/** Waits until so many more tickets were sent and answered. */
async function passed({ world, options }: Stage, since: Date, count: number): Promise<void> {
  const look = async () => {
    const sent = sentBetween(await readRequests(world), since, null);
    return sent.length >= count ? true : null;
  };
  const patience = { withinMs: trafficMsMax, signal: options.signal };
  await until(`${count} tickets to be answered`, look, patience);
}

async function accuracySince({ world }: Stage, since: Date): Promise<string> {
  const requests = sentBetween(await readRequests(world), since, null);
  return `${share(accuracyOf(requests))} of ${requests.length} tickets went where they belong`;
}

async function surge(stage: Stage, { id }: RolloutDetails): Promise<Ended> {
  const { cast, story, told, world } = stage;
  const injectedAt = new Date();
  await cast.traffic({ traffic: "surge" });
  const { size, channel, endings } = story.surge;
  told("customers", `${size} of 100 write on ${channel} in capitals, as …${endings.join(", …")}`);
  const followed = {
    ...(await followBoth(stage, id)),
    injectedAt,
    mendedAt: null,
    toldApart: null,
  };
  told("drill", `since the surge came: ${await accuracySince(stage, injectedAt)}`);
  if (followed.ended.phase !== "rolled-back") return { ...followed, candidates: [] };
  const last = lastAnswerOf(await readRequests(world), "14") ?? new Date();
  await passed(stage, last, ticketsAfterwards);
  told("drill", `since v13 serves everything: ${await accuracySince(stage, last)}`);
  return { ...followed, candidates: await tryNext(stage) };
}

/** One with the same bias, and, where that was held back, one without it. */
async function tryNext(stage: Stage): Promise<readonly RolloutDetails[]> {
  const patience = { withinMs: liveMsMax, signal: stage.options.signal };
  const ends = ["refused", "frozen", "canary", "live", "rolled-back"] as const;
  const same = await rollOut(stage, "15", ends, patience);
  const isHeldBack = same.phase === "refused" || same.phase === "frozen";
  return isHeldBack ? [same, await rollOut(stage, "16", ends, patience)] : [same];
}

/** The incident to its end, and the rollout to its own: each tells what happens as it happens. */
async function followBoth(stage: Stage, id: string) {
  const { client, told, options } = stage;
  const withinMs = options.patienceMs ?? backMsMax;
  const patience = { withinMs, signal: options.signal };
  const [back, followed] = await Promise.all([
    reaches(stage, id, ["rolled-back"], patience).catch(async (error: unknown) => {
      options.signal.throwIfAborted();
      told("drill", String(error));
      return await client.rollout(id);
    }),
    followIncident(client, told, patience),
  ]);
  return { ...followed, ended: back };
}

const noticedMsMax = 60_000;
const toldApartMsMax = 60_000;
/** How long the outage goes on once it was noticed: whoever would take the innocent release back has the time. */
const ticketsOnwards = 400;

async function outage(stage: Stage, { id }: RolloutDetails): Promise<Ended> {
  const { client, cast, story, told, world } = stage;
  const injectedAt = new Date();
  const down = story.outage;
  const all = Array.from({ length: shardCount }, (_, shard) => shard);
  await cast.shards({ present: all.filter((shard) => !down.includes(shard)) });
  told("drill", `${down.length} of ${shardCount} shards of the directory of accounts are gone`);
  const noticed = await orNull(stage, noticedMsMax, "an incident to be opened", () =>
    newestIncident(client),
  );
  if (noticed !== null) told("lastgood", `incident ${noticed.id}: ${noticed.title}`);
  const noticedAt = new Date();
  const toldApart = await orNull(stage, toldApartMsMax, "the judge to be sure", () =>
    sharedVerdict(stage, id),
  );
  await passed(stage, noticedAt, ticketsOnwards);
  const lost = unanswered(sentBetween(await readRequests(world), injectedAt, null));
  told("drill", `${lost.length} tickets were not answered; now the shards come back`);
  await cast.shards({ present: all });
  const mendedAt = new Date();
  await passed(stage, mendedAt, ticketsAfterwards);
  told("drill", `since the outage is over: ${await accuracySince(stage, mendedAt)}`);
  const ended = await client.rollout(id);
  stage.tell(ended);
  const incident = noticed === null ? null : await client.incident(noticed.id);
  const ending: Ending = incident === null ? "unfinished" : endingOf(incident);
  return { injectedAt, mendedAt, toldApart, incident, ending, ended, candidates: [] };
}

async function orNull<T>(
  { told, options }: Stage,
  withinMs: number,
  what: string,
  ask: () => Promise<T | null>,
): Promise<T | null> {
  const patience = { withinMs: options.patienceMs ?? withinMs, signal: options.signal };
  return await until(what, ask, patience).catch((error: unknown) => {
    options.signal.throwIfAborted();
    told("drill", String(error));
    return null;
  });
}

/** That the release before suffers alike, in the judge's words. Whatever it does not hold back ends the wait too. */
async function sharedVerdict({ client, tell }: Stage, id: string): Promise<string | null> {
  const rollout = await client.rollout(id);
  tell(rollout);
  const { verdict, phase } = rollout;
  if (phase !== "live") return `it is ${phase}`;
  return verdict?.kind === "drift" ? verdict.says : null;
}

async function newestIncident(client: Client): Promise<Incident | null> {
  const { incidents } = await client.incidents({ state: "all" });
  const [newest] = incidents;
  return newest === undefined ? null : await client.incident(newest.id);
}

function endingOf({ state }: Incident): Ending {
  if (state === "closed") return "closed";
  return state === "frozen" ? "waits-for-person" : "unfinished";
}
