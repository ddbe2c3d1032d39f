/** Whoever gives the agents their work, and looks into the world where an agent cannot know. */
import { Fault, type Lastgood } from "@lastgood/sdk";
import { readOutside } from "../../../src/drills/outside/outside.ts";
import { until } from "../../../src/drills/until.ts";
import { isQuestion, jobOf, questionId } from "./job.ts";

export interface Desk {
  /** What was given, by id, in order: the server has it. */
  given(): readonly string[];
  /** Gives the agent its next job, or asks it something. */
  give(agent: string): Promise<void>;
  /**
   * True once every inbox is empty and no task waits or is worked on, false where that does not come in time.
   * Calls `meanwhile` as it looks.
   */
  untilDrained(meanwhile: () => Promise<void>): Promise<boolean>;
  /** Settles what is unknown by what the outside has, and lets the work go on. Answers with what it was. */
  settleUnknown(): Promise<readonly string[]>;
}

export interface DeskOptions {
  readonly client: Lastgood;
  readonly folder: string;
  readonly agents: readonly string[];
  readonly seed: number;
  readonly drainMsMax: number;
  readonly signal: AbortSignal;
}

const limit = 1_000;

export function createDesk({
  client,
  folder,
  agents,
  seed,
  drainMsMax,
  signal,
}: DeskOptions): Desk {
  const given: string[] = [];
  const next = new Map<string, number>();

  async function isDrained(): Promise<true | null> {
    const inboxes = await Promise.all(agents.map((agent) => client.inbox(agent)));
    if (inboxes.some(({ messages, more }) => messages.length + more > 0)) return null;
    const open = await Promise.all(
      (["pending", "in_progress"] as const).map((state) => client.tasks({ state, limit: 1 })),
    );
    return open.every(({ tasks }) => tasks.length === 0) ? true : null;
  }

  return {
    given: () => given,
    async give(agent) {
      const index = next.get(agent) ?? 0;
      next.set(agent, index + 1);
      if (isQuestion(index)) {
        const id = questionId(agent, index);
        await client.publishMessage({ agent, id, payload: { type: "question" } });
        given.push(id);
        return;
      }
      const { id, path } = jobOf(seed, agent, index);
      await client.assignTask({ id, title: `write ${path}`, agent, artifact: { path } });
      given.push(id);
    },
    async untilDrained(meanwhile) {
      const look = async () => {
        await meanwhile();
        return await isDrained();
      };
      try {
        return await until("the work to be done", look, {
          ...{ withinMs: drainMsMax, everyMs: 100, signal },
        });
      } catch (error) {
        if (error instanceof Fault && error.code === "timed_out") return false;
        throw error;
      }
    },
    async settleUnknown() {
      const { effects } = await client.effects({ state: "unknown", limit });
      const sent = new Set((await readOutside(folder)).map(({ key }) => key));
      for (const { id, task } of effects) {
        const happened = sent.has(id);
        await client.settleEffect(id, {
          happened,
          because: "somebody looked at what the outside has",
        });
        if (task !== null) await client.unblockTask(task, `the effect ${id} is settled`);
      }
      return effects.map(({ id }) => id);
    },
  };
}
