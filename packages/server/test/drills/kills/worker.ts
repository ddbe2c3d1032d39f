/** An agent that works on what its inbox holds, over the public SDK, and may die at any moment. */
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  type AgentSession,
  createClient,
  Fault,
  type MessageDelivery,
  type SessionHandling,
} from "@lastgood/sdk";
import { outsideAt } from "../../../src/drills/outside/outside.ts";
import { chunkAfter, chunkWords, type Job, type JobEffect, jobOf } from "./job.ts";
import type { Said } from "./said.ts";

/** What it gets from whoever starts it, in KILLS_WORKER as JSON. */
export interface WorkerBriefing {
  readonly agent: string;
  readonly url: string;
  readonly token: string;
  readonly outside: string;
  readonly workTree: string;
  readonly host: string;
  readonly leaseMs: number;
  readonly seed: number;
}

interface Content {
  readonly type: string;
  readonly details?: { readonly task?: string };
}

const run = promisify(execFile);
const briefing = JSON.parse(process.env.KILLS_WORKER ?? "{}") as WorkerBriefing;
const { agent, url, token, workTree, host, leaseMs, seed } = briefing;
const outside = outsideAt(briefing.outside);
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());
/** The job that the brief named, and how many of its words it said are there. */
let known: { readonly job: string; readonly words: number } | null = null;

watchCalls();
const client = createClient({ url, token });
await work();

async function work(): Promise<void> {
  try {
    const session = await client.session({ leaseMs, workTree: { path: workTree, host } });
    say({ say: "session", id: session.id, recovery: session.recovery });
    await readBrief(session);
    await session.inbox((message, handling) => handle(session, message, handling), {
      signal: stopping.signal,
    });
    if (session.signal.aborted) throw session.signal.reason;
    await session.end("stopped");
    end("stopped");
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === "parked") end("parked");
    if (error.code === "fenced") end("fenced");
    throw error;
  }
}

function end(why: "stopped" | "fenced" | "parked"): never {
  say({ say: "ended", why });
  process.exit(0);
}

async function readBrief(session: AgentSession): Promise<void> {
  const began = performance.now();
  const { conclusion, workTree: tree } = await session.brief();
  const tookMs = performance.now() - began;
  const { task, artifact } = conclusion;
  const onDisk = artifact === null ? null : wordsIn(artifact.path);
  say({ say: "briefed", tookMs, task, words: artifact?.words ?? null, onDisk });
  for (const left of tree?.leftovers ?? []) removeLock(left);
  // A file that is not there has no words.
  if (task !== null) known = { job: task, words: artifact?.words ?? 0 };
}

async function handle(
  session: AgentSession,
  message: MessageDelivery,
  handling: SessionHandling,
): Promise<void> {
  const { id, deliveries } = message;
  say({ say: "message", id, deliveries });
  const { type, details } = message.payload as Content;
  if (type === "question") {
    await act(id, { kind: "reply", hasLookup: true }, handling.effect);
    say({ say: "done", of: id });
  } else if (details?.task !== undefined) {
    await workOn(session, details.task);
  }
}

async function workOn(session: AgentSession, id: string): Promise<void> {
  const job = jobOf(seed, agent, Number(id.slice(id.lastIndexOf("-") + 1)));
  if (!(await claim(session, id))) return say({ say: "done", of: id });
  await write(job);
  await commit(session, job);
  try {
    // They are the task's, whichever message it was that asked to go on with it.
    for (const effect of job.effects) await act(id, effect, session.effect, id);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "effect_unknown") throw error;
    const { effect } = error.context;
    say({ say: "unknown", effect: String(effect), of: id });
    await session.tasks.block(id, `the effect ${effect} is unknown`);
    return say({ say: "done", of: id });
  }
  await session.tasks.complete(id);
  say({ say: "done", of: id });
}

/** False where somebody has done it, or said why it cannot be done. */
async function claim(session: AgentSession, id: string): Promise<boolean> {
  try {
    await session.tasks.claim(id);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "state_forbids") return false;
    throw error;
  }
}

/** From the word that the brief named; of a job that it did not name, from what is there. */
async function write(job: Job): Promise<void> {
  let words = known?.job === job.id ? known.words : wordsIn(job.path);
  known = null;
  say({ say: "resumed", job: job.id, words });
  const file = join(workTree, job.path);
  mkdirSync(dirname(file), { recursive: true });
  while (words < job.words.length) {
    appendFileSync(file, chunkAfter(job, words));
    words += chunkWords;
    say({ say: "wrote", job: job.id, words });
    // Whoever listens to nothing while it writes would miss that it is fenced.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function commit(session: AgentSession, job: Job): Promise<void> {
  if ((await git("status", "--porcelain", "--", job.path)) === "") return;
  await session.checkpoint({
    ...{ type: "feat", scope: "jobs", summary: "write it down", task: job.id },
    async commit(message) {
      say({ say: "committing", job: job.id });
      await git("add", "--", job.path);
      await git("commit", "--quiet", `--message=${message}`);
      const made = await git("rev-parse", "HEAD");
      say({ say: "committed", job: job.id, commit: made });
      return made;
    },
  });
}

async function act(
  of: string,
  { kind, hasLookup }: JobEffect,
  effect: AgentSession["effect"],
  task?: string,
): Promise<void> {
  say({ say: "acting", of, kind });
  await effect({
    ...{ key: kind, kind, nature: "irreversible" },
    ...(task === undefined ? {} : { task }),
    async run(key) {
      say({ say: "sending", effect: key, of, kind });
      const receipt = await outside.send({ key, kind, name: of, body: "" });
      say({ say: "sent", effect: key, of, kind });
      return receipt;
    },
    ...(hasLookup
      ? {
          async lookup({ id }) {
            const found = await outside.find(id);
            return found === null ? null : { result: found };
          },
        }
      : {}),
  });
  say({ say: "acted", of, kind });
}

async function git(...args: readonly string[]): Promise<string> {
  const author = { name: agent, email: `${agent}@agents.example` };
  const { stdout } = await run("git", ["-C", workTree, ...args], {
    env: {
      ...{ PATH: process.env.PATH ?? "", HOME: workTree },
      ...{ GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" },
      ...{ GIT_AUTHOR_NAME: author.name, GIT_AUTHOR_EMAIL: author.email },
      ...{ GIT_COMMITTER_NAME: author.name, GIT_COMMITTER_EMAIL: author.email },
    },
  });
  return stdout.trim();
}

function wordsIn(path: string): number {
  const file = join(workTree, path);
  return existsSync(file) ? (readFileSync(file, "utf8").match(/\S+/g)?.length ?? 0) : 0;
}

/** Its holder died with the agent that started it: nobody else works here. */
function removeLock(left: string): void {
  if (left.endsWith(".lock")) rmSync(join(workTree, ".git", left), { force: true });
}

/** Says what is asked of the server, and what is answered: the SDK calls the global `fetch`. */
function watchCalls(): void {
  const plain = globalThis.fetch;
  let count = 0;
  globalThis.fetch = async (target, options) => {
    const { pathname, origin } = new URL(target instanceof Request ? target.url : target);
    if (origin !== new URL(url).origin) return await plain(target, options);
    const n = count++;
    const what = callOf(options?.method ?? "GET", pathname);
    say({ say: "asked", n, ...what });
    const response = await plain(target, options);
    const { status } = response;
    const text = await response.text();
    say({ say: "answered", n, ...what, status });
    return new Response(text === "" ? null : text, { status, headers: response.headers });
  };
}

/** `POST /v1/effects/eff_1/confirm` is `confirm` of `eff_1`. */
function callOf(method: string, path: string): { readonly call: string; readonly of: string } {
  const [room = "", of = "", act = ""] = path.split("/").slice(2);
  return { call: act || `${method === "POST" ? "" : "read "}${room}`, of: decodeURIComponent(of) };
}

function say(said: Said): void {
  writeSync(1, `${JSON.stringify({ at: Date.now(), ...said })}\n`);
}
