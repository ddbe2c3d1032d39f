/**
 * Answers refund requests by the spec that is pinned. Each is a piece of work under its request's id: looked up,
 * decided under the release of that moment, and paid once. What is queued again it takes by itself.
 */
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import {
  createClient,
  type ExecutionDetails,
  Fault,
  type JsonValue,
  type Resolved,
  type Work,
  WorkCancelled,
} from "@lastgood/sdk";
import { hearWhatIsTold } from "../../hear-what-is-told.ts";
import { openJournal } from "../../journal.ts";
import { until } from "../../until.ts";
import { decide, type Spec } from "../policy.ts";
import { artifact, type Request } from "../story.ts";
import { briefing, type ServiceBriefing } from "./briefing.ts";

export interface Answered {
  readonly refunded: boolean;
  /** Of the release that decided. */
  readonly version: string | null;
  readonly execution: string | null;
  readonly because: string | null;
}

const { name, folder, url, token, port, payments } = briefing<ServiceBriefing>();
const journal = openJournal(folder, name);
const client = createClient({ url, token });
const session = await client.session({ agent: name });
const releases = await client.releases({
  ...{ id: name, artifacts: [artifact] },
  onTrouble: (fault) => journal("trouble", { because: fault.message }),
});
const givesUpMs = 10_000;
const takesEveryMs = 200;
const takenAtOnce = 20;

/** The whole history of moves is in the journal: when each release began to be followed here. */
releases.onChange(() => {
  const { version, epoch } = releases.resolve(artifact, name);
  journal("follows", { version, epoch });
});

async function ask(path: string): Promise<void> {
  const signal = AbortSignal.timeout(givesUpMs);
  const response = await fetch(new URL(path, payments), { signal });
  if (!response.ok) throw new Error(`payments answered ${response.status}`);
  await response.arrayBuffer();
}

/** From the look at the order to the payment. `step` says under which release it goes on. */
async function serve(
  { id, amount, reason }: Request,
  step: () => Promise<Pick<Resolved, "version" | "content">>,
): Promise<{ readonly version: string; readonly output: { decision: string } & JsonValue }> {
  await ask(`/orders/${id}`);
  const { version, content } = await step();
  // The spec is what was published: `story.ts` has its shape.
  const decision = decide(content as unknown as Spec, { amount, reason });
  if (decision.decision === "refuse") throw new Error(decision.because);
  await session.effect({
    ...{ key: `refund ${id}`, kind: "refund", request: { request: id, amount } },
    run: async (key) => {
      const response = await fetch(payments, {
        method: "POST",
        body: JSON.stringify({ key, request: id, amount }),
        signal: AbortSignal.timeout(givesUpMs),
      });
      if (!response.ok) throw new Error(`payments answered ${response.status}`);
      return null;
    },
    lookup: async (effect) => {
      const signal = AbortSignal.timeout(givesUpMs);
      const found = await fetch(new URL(`/?key=${effect.id}`, payments), { signal });
      await found.arrayBuffer();
      if (found.status === 404) return null;
      if (!found.ok) throw new Error(`payments answered ${found.status}`);
      return { result: null };
    },
  });
  return { version, output: { decision: "refund", secondLook: decision.secondLook } };
}

async function answer(request: Request): Promise<Answered> {
  const { id: key, customer: target, amount, reason } = request;
  const input = { amount, reason };
  let last: Pick<Work, "execution" | "release"> | null = null;
  const told = () => ({
    version: last?.release.version ?? null,
    execution: last?.execution ?? null,
  });
  try {
    const band = amount <= 100 ? "small" : amount <= 500 ? "middle" : "large";
    const work = { key, target, session: session.id, input, dimensions: { band } };
    await releases.run(artifact, work, async (running) => {
      last = running;
      return (await serve(request, running.step)).output;
    });
    return { refunded: true, because: null, ...told() };
  } catch (error) {
    // Its pin moved, and before it was begun again it was taken from what waits, as what is queued again is.
    const isTaken = error instanceof Fault && error.code === "target_busy";
    if (isTaken) return await whatCameOf(String(error.context.execution));
    return { refunded: false, because: String(error), ...told() };
  }
}

async function whatCameOf(first: string): Promise<Answered> {
  let id = first;
  const ended = async () => {
    const now = await client.execution(id);
    id = now.next ?? id;
    return now.state === "finished" || now.state === "failed" ? now : null;
  };
  const patience = { withinMs: givesUpMs, signal: AbortSignal.timeout(2 * givesUpMs) };
  const { state, version, error } = await until(`${first} to end`, ended, patience);
  return { refunded: state === "finished", version, execution: id, because: error };
}

/** What failed under a bad release and is queued again: each is begun for us under the one that is pinned. */
async function takeQueued(): Promise<void> {
  const { executions } = await client.takeExecutions({
    ...{ artifact, agent: name, session: session.id, limit: takenAtOnce },
  });
  await Promise.all(executions.map(again));
}

async function again({ id, key, version, input }: ExecutionDetails): Promise<void> {
  const asked = input as unknown as Pick<Request, "amount" | "reason">;
  const request: Request = { id: key, customer: key, ...asked };
  try {
    const { output } = await serve(request, async () => {
      const { go, execution } = await client.stepExecution(id);
      if (go === "cancelled") throw new WorkCancelled("its pin moved");
      const { content } = await client.release(artifact, execution.version);
      return { version: execution.version, content: content ?? null };
    });
    await client.endExecution(id, { state: "finished", output });
    journal("handled", { message: key, again: true, version });
  } catch (error) {
    await client.endExecution(id, { state: "failed", error: String(error) });
    journal("failed", { message: key, again: true, version, because: String(error) });
  }
}

async function handle(incoming: IncomingMessage): Promise<Answered> {
  const request = JSON.parse(await text(incoming)) as Request;
  const answered = await answer(request);
  journal(answered.refunded ? "handled" : "failed", { message: request.id, ...answered });
  return answered;
}

let taking = false;
setInterval(() => {
  if (taking) return;
  taking = true;
  takeQueued()
    .catch((error: unknown) => journal("trouble", { because: String(error) }))
    .finally(() => {
      taking = false;
    });
}, takesEveryMs);
createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  void handle(request)
    .catch((error: unknown) => ({ refunded: false, because: String(error) }))
    .then((body) => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
}).listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
await hearWhatIsTold(client, name, journal);
