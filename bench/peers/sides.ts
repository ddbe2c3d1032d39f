/** The sides: what each is given for a run, and how its end is known. */
import type { Lastgood } from "@lastgood/sdk";
import { outsideAt } from "../../packages/server/src/drills/outside/outside.ts";
import { until } from "../../packages/server/src/drills/until.ts";
import type { OwnBriefing, PeerBriefing } from "./briefing.ts";
import { startLife } from "./life.ts";
import type { Contest } from "./play.ts";

/** What a run of any side has. */
export interface Given {
  readonly tasks: readonly string[];
  readonly steps: number;
  readonly looksUp: boolean;
  readonly outside: string;
}

export interface Peer {
  readonly worker: "dbos" | "langgraph";
  readonly databaseUrl: string;
  readonly queuePollMs: number | null;
}

export function peerContest({ worker, ...own }: Peer, given: Given): Contest {
  return {
    ...{ worker, tasks: given.tasks },
    briefing: (open): PeerBriefing => ({ ...given, ...own, tasks: open, prepares: false }),
    async untilDone(life) {
      await life.hasSaid("finished", 1);
      return 0;
    },
  };
}

const doneMsMax = 60_000;
const limit = 1_000;

/** Its work is given as to any agent: tasks that are assigned, and told to its inbox. */
export async function ownContest(
  client: Lastgood,
  { agent, url, given }: { agent: string; url: string; given: Given },
): Promise<Contest> {
  const { secret: token } = await client.createToken({ role: "agent", name: agent, agent });
  for (const id of given.tasks) await client.assignTask({ id, title: id, agent });
  return {
    ...{ worker: "lastgood", tasks: given.tasks },
    briefing: (open): OwnBriefing => ({ ...given, url, token, tasks: open }),
    async untilDone() {
      let settled = 0;
      const look = async () => {
        const open = await openOf(client, agent);
        if (open.moving > 0) return null;
        if (open.blocked === 0) return settled;
        settled += await settleUnknown(client, agent, given.outside);
        return null;
      };
      return await until(`the tasks of ${agent} to be done`, look, {
        ...{ withinMs: doneMsMax, everyMs: 50, signal: AbortSignal.timeout(doneMsMax) },
      });
    },
  };
}

async function openOf(client: Lastgood, agent: string) {
  const count = async (state: "pending" | "in_progress" | "blocked") =>
    (await client.tasks({ agent, state, limit })).tasks.length;
  return {
    moving: (await count("pending")) + (await count("in_progress")),
    blocked: await count("blocked"),
  };
}

/** The person: looks at what the outside has, where its agent cannot. */
async function settleUnknown(client: Lastgood, agent: string, outside: string): Promise<number> {
  const { effects } = await client.effects({ agent, state: "unknown", limit });
  const world = outsideAt(outside);
  for (const { id, task } of effects) {
    const happened = (await world.find(id)) !== null;
    await client.settleEffect(id, { happened, because: "somebody looked" });
    if (task !== null) await client.unblockTask(task, `the effect ${id} is settled`);
  }
  return effects.length;
}

/** The tables of a peer are made before anything is measured, as ours are. */
export async function prepare({ worker, ...own }: Peer): Promise<void> {
  const nothing = { tasks: [], steps: 0, looksUp: false, outside: "http://127.0.0.1" };
  const briefing: PeerBriefing = { ...nothing, ...own, prepares: true };
  await startLife(worker, briefing).ended();
}
