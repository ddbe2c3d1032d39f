/** Plays the story once in a world of its own, and reads what came of it while the world still stands. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";
import type { DrillOptions } from "../drill.ts";
import { readJournal } from "../journal.ts";
import type { Narrator } from "../narrator.ts";
import { runCommand, type ServerProcess } from "../processes.ts";
import { type Settings, serve, writeConfiguration } from "../set-stage.ts";
import { until } from "../until.ts";
import { type Cast, startCast } from "./cast.ts";
import { type Interrupted, prepareInterruption } from "./interruption.ts";
import { type Facts, readFacts, toldTypes } from "./reading.ts";
import { deputy, editor, nameOf, type Story, writer } from "./story.ts";
import { buildWorld, cloneFor, type EvictionWorld, machineOf, workTreeOf } from "./world.ts";

/** What happened, as the drill saw it and as the world shows it. */
export interface Played {
  readonly story: Story;
  readonly world: EvictionWorld;
  readonly settings: Settings;
  /** Null where nobody interrupted it. */
  readonly interrupted: Interrupted | null;
  /** From the writer's start to the last message handled. */
  readonly tookMs: number;
  readonly doneAt: Date | null;
  /** How long after that the editor had heard of it; null where it did not. */
  readonly heardMs: number | null;
  readonly facts: Facts;
}

interface Stage {
  readonly options: DrillOptions;
  readonly story: Story;
  readonly world: EvictionWorld;
  readonly server: ServerProcess;
  readonly client: Client;
  readonly cast: Cast;
  readonly told: Narrator;
}

const doneMsMax = 90_000;

export async function play(
  options: DrillOptions,
  { story, folder, told, interrupt }: PlayOptions,
): Promise<Played> {
  await using stage = new AsyncDisposableStack();
  const world = await buildWorld(folder);
  const settings = await writeConfiguration(options, folder);
  const server = await serve(stage, "eviction", options, folder);
  const client = createClient(server);
  const cast = await startCast(client, { url: server.url, program: options.program }, world, story);
  stage.defer(() => cast.end());
  const playing: Stage = { options, story, world, server, client, cast, told };
  await fillInbox(playing);
  const began = performance.now();
  const interrupted = interrupt ? await startAndInterrupt(playing) : null;
  if (!interrupt) await cast.startWriter(writer, workTreeOf(folder, writer));
  const doneAt = await done(playing, interrupted);
  const tookMs = Math.round(performance.now() - began);
  const heardMs = doneAt === null ? null : await editorHeard(playing, interrupt);
  const facts = await readFacts(client, world, story);
  return { story, world, settings, interrupted, tookMs, doneAt, heardMs, facts };
}

interface PlayOptions {
  readonly story: Story;
  readonly folder: string;
  readonly told: Narrator;
  readonly interrupt: boolean;
}

/** In the order of the story, before the writer is there: each is in the inbox before the next is sent. */
async function fillInbox({ story, client, cast, told, options }: Stage): Promise<void> {
  const send = async (isBefore: boolean) => {
    for (const [index, { from, type, before }] of story.letters.entries()) {
      if (before !== isBefore) continue;
      await cast.order(from, { send: index });
      told(from, `sent ${writer} a ${type}`);
    }
  };
  await send(true);
  await cast.order(editor, { ask: "post" });
  await until("the task to be in the inbox", () => assigned(client), {
    ...{ withinMs: 15_000, everyMs: 20, signal: options.signal },
  });
  told(editor, `asked for "${story.post.title}", in ${story.post.sections.length} sections`);
  await send(false);
}

async function assigned(client: Client): Promise<true | null> {
  const { messages } = await client.inbox(writer);
  return messages.some(({ excerpt }) => excerpt.includes("task.assigned")) ? true : null;
}

async function startAndInterrupt(stage: Stage): Promise<Interrupted> {
  const { story, world, cast, client, told, options } = stage;
  const { variant, kill } = story;
  const tree = workTreeOf(world.folder, writer);
  const interruption = await prepareInterruption(world, story, options.signal);
  const wrapper = await cast.startWriter(writer, tree, interruption.holds);
  const point = nameOf(kill.point);
  if (variant === "compaction") {
    const forgot = await interruption.compact();
    told(writer, `forgot everything at "${point}", word ${forgot.words}`);
    return forgot;
  }
  if (kill.savedWords !== null) {
    await interruption.waitUntilSaved(client);
    told("lastgood", `saved ${writer}'s work tree, ${kill.savedWords} words past its last commit`);
  }
  const killed = await interruption.kill(variant === "plain" ? null : wrapper);
  told("drill", `killed ${writer} (${killed.pid}) at "${point}", word ${killed.words}`, killed.at);
  if (variant === "takeover") await cast.startWriter(deputy, workTreeOf(world.folder, deputy));
  if (variant === "disk-gone") await startElsewhere(stage, killed);
  return killed;
}

/** A new pod with a new disk: what is on the remote, and what Lastgood has saved of the old one. */
async function startElsewhere(stage: Stage, { session }: Interrupted): Promise<void> {
  const { world, cast, told, server, options } = stage;
  const { folder, remote } = world;
  const [tree, machine] = [workTreeOf(folder, writer), machineOf(folder, writer)];
  await rm(tree, { recursive: true });
  await rm(machine, { recursive: true });
  await cloneFor(writer, remote, tree);
  const connection = ["--url", server.url, "--token", server.token, "--home", machine];
  const restore = ["work-tree", "restore", "--session", session, tree];
  await runCommand(options.program, [...connection, ...restore], options.signal);
  told(writer, "starts elsewhere, in a fresh clone with what was saved of the disk that is gone");
  await cast.startWriter(writer, tree);
}

/** Null where it was not done in time: what does not hold says so. */
async function done(
  { client, story, world, told, options: { signal, patienceMs = doneMsMax } }: Stage,
  interrupted: Interrupted | null,
): Promise<Date | null> {
  const look = async () => {
    const { state } = await client.task(story.task);
    const inboxes = await Promise.all([writer, deputy].map((name) => client.inbox(name)));
    const waiting = inboxes.some(({ messages, more }) => messages.length + more > 0);
    return state === "completed" && !waiting ? new Date() : null;
  };
  try {
    const at = await until("the post to be done", look, {
      withinMs: patienceMs,
      everyMs: 25,
      signal,
    });
    told(
      "drill",
      interrupted === null ? "done, uninterrupted" : "the post is done, the inbox empty",
    );
    return at;
  } catch (error) {
    signal.throwIfAborted();
    told("drill", `${error}; ${writer} said last: ${await lastWords(world.folder)}`);
    return null;
  }
}

async function lastWords(folder: string): Promise<string> {
  const log = await readFile(join(folder, "agents", `${writer}.log`), "utf8").catch(() => "");
  return log.slice(-1_000);
}

const toldMsMax = 40_000;

/** The editor hears of the end, and of a death, a moment after: whatever it did not hear in time is missing. */
async function editorHeard(
  { world, story, options }: Stage,
  isInterrupted: boolean,
): Promise<number | null> {
  const began = performance.now();
  const wanted = ["task.completed"];
  if (isInterrupted && story.variant !== "compaction") wanted.push("session.died");
  const look = async () => {
    const heard = toldTypes(await readJournal(world.folder, editor));
    return wanted.every((type) => heard.includes(type)) ? true : null;
  };
  const patience = { withinMs: toldMsMax, everyMs: 25, signal: options.signal };
  try {
    await until("the editor to hear of it", look, patience);
    return Math.round(performance.now() - began);
  } catch {
    options.signal.throwIfAborted();
    return null;
  }
}
