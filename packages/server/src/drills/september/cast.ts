/** Everyone in the story, as processes: the coding agents, the frontend and the marketing agent. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import { endProcess, startAgentProcess } from "../processes.ts";
import type { AgentBriefing } from "./agents/agent-process.ts";
import type { Pushed, PushOrder } from "./agents/coding-agent.ts";
import { type CodingAgent, codingAgents, type Story } from "./story.ts";
import type { SeptemberWorld } from "./world.ts";

export interface Cast {
  /** The agent commits and pushes an act of the story. */
  push(agent: CodingAgent, order: PushOrder): Promise<Pushed>;
  end(): Promise<void>;
}

const pushMsMax = 30_000;

export async function startCast(
  client: Client,
  url: string,
  world: SeptemberWorld,
  { seed, variant }: Story,
): Promise<Cast> {
  const children = new Map<string, ChildProcess>();
  const start = async (name: string, kind: string) => {
    const { secret } = await client.createToken({ role: "agent", name, agent: name });
    const briefing: AgentBriefing = {
      name,
      folder: world.folder,
      url,
      token: secret,
      service: `http://127.0.0.1:${world.port}`,
      seed,
      variant,
    };
    children.set(name, await startAgentProcess(fileOf(kind), { ...briefing }));
  };
  await Promise.all([
    ...codingAgents.map((name) => start(name, "coding-agent")),
    start("frontend", "frontend-agent"),
    start("marketing", "marketing-agent"),
  ]);
  return {
    async push(agent, order) {
      const child = children.get(agent);
      if (child === undefined) throw new Error(`no process for ${agent}`);
      const answered = once(child, "message", { signal: AbortSignal.timeout(pushMsMax) });
      child.send(order);
      const [answer] = (await answered) as [Pushed | { error: string }];
      if ("error" in answer)
        throw new Fault("internal", `${agent} could not push: ${answer.error}`);
      return answer;
    },
    async end() {
      await Promise.all([...children.values()].map(endProcess));
    },
  };
}

/** Beside this file, as source or as built. */
function fileOf(kind: string): string {
  return join(import.meta.dirname, "agents", `${kind}${extname(import.meta.filename)}`);
}
