/**
 * Says "all clear" only of agents that were seen to work again; who is not normal is listed by name.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Configuration } from "../config/config.ts";
import { reachedFrom } from "../config/graph.ts";
import type { Undo } from "../layers/layer.ts";
import type { Db } from "../store/database.ts";
import { containmentsInForce } from "./fleet-store.ts";

/** What an agent's inboxes show: messages that wait or are in its hands, and those that died since. */
export interface Pulse {
  readonly waiting: number;
  readonly died: number;
}

export interface AgentState extends Pulse {
  readonly agent: string;
  readonly contained: boolean;
}

/** Why the agent does not count as normal; null when it does. */
export function whyNotNormal({ contained, waiting, died }: AgentState): string | null {
  if (contained) return "is contained";
  if (died > 0) return `has ${died} dead letters`;
  return waiting > 0 ? `has ${waiting} messages waiting` : null;
}

/** `5 of 5 agents normal`, and by name who is not. */
export function summarise(states: readonly AgentState[]): string {
  const not = states.flatMap((state) => {
    const because = whyNotNormal(state);
    return because === null ? [] : [`${state.agent} ${because}`];
  });
  const count = `${states.length - not.length} of ${states.length} agents normal`;
  return not.length === 0 ? count : `${count}; ${not.join("; ")}`;
}

export interface AllClearDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  /** Of all consumers of the agent and of its roles, counting deaths since the time given. */
  pulseOf(agent: string, since: Date): Promise<Pulse>;
}

const waitMsMax = 30_000;
const lookEveryMs = 150;

export function createAllClear(deps: AllClearDeps) {
  const { db, configuration } = deps;

  /** The agents that the damage to these services could reach, and those named. */
  function concerned(services: readonly string[], agents: readonly string[]): readonly string[] {
    const config = configuration.current();
    const reached = services.flatMap((service) => reachedFrom(config, service));
    return [...new Set([...reached, ...agents])].filter((name) =>
      Object.hasOwn(config.agents, name),
    );
  }

  async function look(agents: readonly string[], since: Date): Promise<readonly AgentState[]> {
    const contained = new Set((await containmentsInForce(db)).map(({ agent }) => `${agent}`));
    return await Promise.all(
      agents.map(async (agent) => ({
        agent,
        contained: contained.has(agent),
        ...(await deps.pulseOf(agent, since)),
      })),
    );
  }

  return {
    /** Waits until the agents work again, at most half a minute, and says how many do. */
    async untilNormal({ services, agents, since }: Undo, signal: AbortSignal): Promise<string> {
      const names = concerned(services, agents);
      const deadline = Date.now() + waitMsMax;
      for (;;) {
        const states = await look(names, since);
        const normal = states.every((state) => whyNotNormal(state) === null);
        if (normal || Date.now() > deadline) return summarise(states);
        await pause(lookEveryMs, undefined, { signal });
      }
    },
  };
}

export type AllClear = ReturnType<typeof createAllClear>;
