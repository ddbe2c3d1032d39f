/**
 * Plays the story: a spec is live, its next version cuts the limit, refunds fail, Lastgood calls a person, and the
 * person switches back, has the failed refunds done again, and gets the limit right with the next spec.
 */
import type { Client, GateRun, Incident } from "@lastgood/sdk";
import type { DrillOptions } from "../drill.ts";
import { followIncident } from "../follow-incident.ts";
import type { Narrator } from "../narrator.ts";
import { runCommand } from "../processes.ts";
import { until } from "../until.ts";
import type { Cast } from "./cast.ts";
import type { Played, Switched } from "./played.ts";
import { failedOfLimit, followedAt, readPayments, readRequests, successOf } from "./reading.ts";
import {
  agents,
  artifact,
  environment,
  failuresMin,
  type Story,
  specs,
  type Version,
} from "./story.ts";
import type { RefundWorld } from "./world.ts";

export interface Stage {
  readonly options: DrillOptions;
  readonly told: Narrator;
  readonly story: Story;
  readonly world: RefundWorld;
  readonly client: Client;
  readonly cast: Cast;
  /** Where the server is, as options of the command line. */
  readonly where: readonly string[];
}

const waitMsMax = 90_000;
const requestsAfterwards = 150;

export async function play(stage: Stage): Promise<Omit<Played, "settingsNotDefault">> {
  const { client, story, world, told } = stage;
  await goLive(stage);
  const injectedAt = new Date();
  await publish(stage, "2.1.0", "2.0.3");
  await typed(stage, ["deploy", "spec", `${artifact}:2.1.0`, "--because", "refunds cost too much"]);
  const called = await calledAbout(stage);
  await takeIt(stage, called);
  const switched = await switchBack(stage);
  const queued = await doAgain(stage);
  const ended = await finish(stage, called);
  const { gates, nextAt } = await improve(stage);
  await stage.cast.traffic({ traffic: "none" });
  const requests = await readRequests(world);
  const failed = failedOfLimit(requests);
  const late = failed.filter(({ answeredAt }) => new Date(answeredAt) > switched.movedAt).length;
  return {
    ...{ story, world, client, injectedAt, switched, queued, late, ...ended, gates, nextAt },
    ...{ requests, payments: await readPayments(world), timeline: told.timeline },
  };
}

async function goLive(stage: Stage): Promise<void> {
  const { client, cast, story, told, world } = stage;
  await client.declareArtifact(artifact, { kind: "spec", inFlight: story.inFlight });
  await publish(stage, "2.0.3", null);
  await typed(stage, ["deploy", "spec", `${artifact}:2.0.3`, "--because", "the first"]);
  await cast.open();
  await cast.traffic({ traffic: "on" });
  await answered(stage, new Date(0), story.calm);
  const { share, of } = successOf(await readRequests(world), "2.0.3", new Date(0));
  told("drill", `under 2.0.3 ${(100 * share).toFixed(1)} % of ${of} refunds succeed`);
}

async function publish({ client }: Stage, version: Version, parent: Version | null): Promise<void> {
  const from = parent === null ? {} : { parent };
  await client.publishRelease(artifact, { version, ...from, content: specs[version] });
}

/** As a person types it. */
async function typed(
  { options: { program, signal }, told, where }: Stage,
  command: readonly string[],
): Promise<void> {
  told("person", `lastgood ${command.join(" ").slice(0, 160)}`);
  await runCommand(program, [...command, ...where], signal);
}

/** Waits until so many requests that were sent since then are answered. */
async function answered({ world, options }: Stage, since: Date, count: number): Promise<void> {
  const look = async () => {
    const sent = (await readRequests(world)).filter(({ at }) => new Date(at) >= since);
    return sent.length >= count ? true : null;
  };
  const patience = { withinMs: waitMsMax, signal: options.signal };
  await until(`${count} requests to be answered`, look, patience);
}

/** The person is called, and meanwhile refunds go on failing; null where nobody was called. */
async function calledAbout({ client, world, told, options }: Stage): Promise<Incident | null> {
  const patience = { withinMs: options.patienceMs ?? waitMsMax, signal: options.signal };
  await until(
    `${failuresMin} refunds to have failed`,
    async () => (failedOfLimit(await readRequests(world)).length >= failuresMin ? true : null),
    patience,
  );
  told("customers", `${failuresMin} refunds have failed`);
  const decided = async () => {
    const [first] = (await client.incidents({ state: "open" })).incidents;
    const incident = first === undefined ? null : await client.incident(first.id);
    return incident?.decision != null && incident.pagedAt !== null ? incident : null;
  };
  try {
    const incident = await until("a person to be called", decided, patience);
    for (const { at, actor, event, text } of incident.timeline) {
      told(actor, `${event}: ${text}`, at);
    }
    return incident;
  } catch (error) {
    options.signal.throwIfAborted();
    told("drill", String(error));
    return null;
  }
}

async function takeIt(stage: Stage, incident: Incident | null): Promise<void> {
  if (incident === null) return;
  await typed(stage, ["incident", "take", incident.id, "back to the spec before"]);
}

/** The one command, and how soon everyone follows it. */
async function switchBack(stage: Stage): Promise<Switched> {
  const { client, world, told, options } = stage;
  const lookMs = await lookAtPin(stage);
  const typedAt = new Date();
  await typed(stage, ["deploy", "spec", `${artifact}:2.0.3`, "--because", "refunds fail"]);
  const { epoch, at } = await client.pin(environment, artifact);
  const movedAt = new Date(at);
  const patience = { withinMs: waitMsMax, signal: options.signal };
  const all = async () => {
    const found = (await followedAt(world, epoch)).filter((each) => each !== null);
    return found.length === agents.length ? found : null;
  };
  const followed = await until("every agent to follow", all, patience);
  const last = Math.max(...followed.map((each) => each.getTime()));
  told("drill", `every agent follows, ${last - typedAt.getTime()} ms after the command was typed`);
  const account = await until(
    "all that were in flight to be over",
    async () => {
      const now = await client.inFlightAccount(environment, artifact, { epoch });
      return now.running === 0 && now.waiting === 0 ? now : null;
    },
    patience,
  );
  const { inFlight, finished, switched, retried, failed, spared } = account;
  told(
    "drill",
    `${inFlight} were in flight: ${finished} finished, ${switched} switched, ${retried} retried, ${failed} failed, ${spared} spared`,
  );
  const { stragglers } = await client.pin(environment, artifact);
  return {
    typedAt,
    lookMs,
    movedAt,
    epoch,
    followedAt: followed,
    stragglers: stragglers.length,
    account,
  };
}

/** What a command costs that only looks: most of it is the start of the program. */
async function lookAtPin({ options: { program, signal }, where }: Stage): Promise<number> {
  const began = performance.now();
  await runCommand(program, ["pins", "show", artifact, ...where], signal);
  return Math.round(performance.now() - began);
}

/** What failed of the limit, and of nothing else, is queued again; asked twice, it is queued once. */
async function doAgain(stage: Stage): Promise<readonly string[]> {
  const { client, world, told, options } = stage;
  const { executions } = await client.executions({
    ...{ environment, artifact, version: "2.1.0", state: "failed", limit: 1_000 },
  });
  const failed = executions
    .filter(({ error, dimensions }) => /over the limit/.test(error ?? "") && isMiddle(dimensions))
    .map(({ key }) => key);
  const wanted = { environment, artifact, version: "2.1.0", keys: failed };
  const { keys } = await client.requeueExecutions({ ...wanted, because: "the limit was wrong" });
  const { requeued: again } = await client.requeueExecutions(wanted);
  told(
    "person",
    `${keys.length} of ${failed.length} that failed are queued again; asked once more, ${again}`,
  );
  const waiting = new Set(keys);
  const done = async () => {
    for (const { request } of await readPayments(world)) waiting.delete(request);
    return waiting.size === 0 ? true : null;
  };
  await until("what was queued again to be paid", done, {
    ...{ withinMs: waitMsMax, signal: options.signal },
  }).catch((error: unknown) => {
    options.signal.throwIfAborted();
    told("drill", `${waiting.size} were not paid: ${String(error)}`);
  });
  return keys;
}

/** What customers are owed, and 2.1.0 does not pay. */
function isMiddle({ band }: Readonly<Record<string, string>>): boolean {
  return band === "middle";
}

async function finish(stage: Stage, called: Incident | null) {
  const { client, told, options } = stage;
  if (called === null) return { incident: null, ending: "unfinished" } as const;
  await typed(stage, ["incident", "done", called.id, "2.0.3 is back; what failed was done again"]);
  const patience = { withinMs: options.patienceMs ?? waitMsMax, signal: options.signal };
  const known = new Set(called.timeline.map(({ event, text }) => `${event}: ${text}`));
  return await followIncident(
    client,
    (actor, event, at) => {
      if (!known.has(event)) told(actor, event, at);
    },
    patience,
  );
}

/** The same fault in kinder words does not come through the gate; the exception path does, and goes live. */
async function improve(stage: Stage): Promise<Pick<Played, "gates" | "nextAt">> {
  await publish(stage, "2.1.1", "2.1.0");
  const same = await judged(stage, "2.1.1");
  await publish(stage, "2.2.0", "2.0.3");
  const better = await judged(stage, "2.2.0");
  if (better.verdict?.kind !== "promote") return { gates: [same, better], nextAt: null };
  await typed(stage, ["deploy", "spec", `${artifact}:2.2.0`, "--because", "it passed the gate"]);
  const nextAt = new Date();
  await answered(stage, nextAt, requestsAfterwards);
  return { gates: [same, better], nextAt };
}

async function judged({ client, told, options }: Stage, version: Version): Promise<GateRun> {
  const begun = await client.startGateRun(artifact, version);
  const ended = async () => {
    const run = await client.gateRun(begun.id, { waitMs: 2_000 });
    return run.state === "running" ? null : run;
  };
  const patience = { withinMs: waitMsMax, signal: options.signal };
  const run = await until(`${version} to be judged`, ended, patience);
  told(
    "gate",
    `${version}: ${run.verdict?.kind ?? run.state}, ${run.verdict?.because ?? run.fault}`,
  );
  return run;
}
