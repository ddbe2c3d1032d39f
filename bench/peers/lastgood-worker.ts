/**
 * The work as our own documentation has it (docs/sdk.md): a session, the brief where the one before did not end
 * cleanly, the inbox, a claim for each task, an effect for each outside call.
 */
import { type AgentSession, createClient, Fault, type MessageDelivery } from "@lastgood/sdk";
import { outsideAt } from "../../packages/server/src/drills/outside/outside.ts";
import { kindOf, sendStep } from "./act.ts";
import { type OwnBriefing, readBriefing } from "./briefing.ts";
import { say } from "./said.ts";

interface Content {
  readonly details?: { readonly task?: string };
}

const { steps, looksUp, url, token, ...told } = readBriefing<OwnBriefing>();
const outside = outsideAt(told.outside);
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());

say({ say: "loaded" });
const session = await createClient({ url, token }).session();
if (session.recovery === "full") await session.brief();
await session.inbox(handle, { signal: stopping.signal });
if (session.signal.aborted) throw session.signal.reason;
await session.end("stopped");
say({ say: "finished" });

async function handle({ payload }: MessageDelivery): Promise<void> {
  const task = (payload as Content).details?.task;
  if (task === undefined || !(await claim(session, task))) return;
  try {
    for (let step = 1; step <= steps; step++) await act(task, step);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "effect_unknown") throw error;
    const effect = String(error.context.effect);
    say({ say: "unknown", task, effect });
    await session.tasks.block(task, `the effect ${effect} is unknown`);
    return;
  }
  await session.tasks.complete(task);
  say({ say: "completed", task });
}

/** False where it is done already, or waits for a person. */
async function claim({ tasks }: AgentSession, task: string): Promise<boolean> {
  try {
    await tasks.claim(task);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "state_forbids") return false;
    throw error;
  }
}

async function act(task: string, step: number): Promise<void> {
  const begin = () => say({ say: "acting", task, step });
  await session.effect({
    ...{ task, key: kindOf(step), kind: kindOf(step) },
    async run(key) {
      begin();
      return await sendStep(outside, { task, step, key });
    },
    ...(looksUp
      ? {
          async lookup({ id }) {
            begin();
            const found = await outside.find(id);
            return found === null ? null : { result: found };
          },
        }
      : {}),
  });
}
