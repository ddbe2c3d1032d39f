/** Who works here: what lastgood.yaml declares, and whoever else opened a session. */
import type { Agent } from "@lastgood/sdk";
import type { Config } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { Query } from "../store/database.ts";
import { containmentsInForce } from "./fleet-store.ts";
import { type Session, toRecord } from "./session.ts";
import { type AgentFacts, findAgents } from "./session-store.ts";

const agentsMax = 10_000;

/** By name. */
export async function listAgents(
  db: Query,
  config: Config,
  now: Date,
  only?: string,
): Promise<readonly Agent[]> {
  const [known, containments] = await Promise.all([
    findAgents(db, now, agentsMax, only),
    containmentsInForce(db),
  ]);
  const contained = new Set(containments.map(({ agent }) => `${agent}`));
  const byName = new Map(known.map((each) => [each.name, each]));
  const declared = Object.keys(config.agents).filter((name) => only === undefined || name === only);
  const names = [...new Set([...declared, ...byName.keys()])].sort();
  return names.map((name) => describe(name, config, byName.get(name) ?? null, contained.has(name)));
}

export async function requireAgent(
  db: Query,
  config: Config,
  now: Date,
  name: string,
): Promise<Agent> {
  const [agent] = await listAgents(db, config, now, name);
  if (agent !== undefined) return agent;
  throw new Fault(
    "not_found",
    `There is no agent ${name.slice(0, 100)}: declare it under \`agents\` in lastgood.yaml, or see \`lastgood agents\`.`,
  );
}

function describe(
  name: string,
  config: Config,
  facts: AgentFacts | null,
  contained: boolean,
): Agent {
  const declared = Object.hasOwn(config.agents, name) ? config.agents[name] : undefined;
  const last = facts?.last ?? null;
  return {
    name,
    declared: declared !== undefined,
    roles: declared?.roles ?? [],
    owner: declared?.owner ?? null,
    state: stateOf(facts, last, contained),
    epoch: facts?.epoch ?? 0,
    session: last !== null && last.endedAt === null ? last.id : null,
    last: last === null ? null : toRecord(last),
    deaths: facts?.deaths ?? 0,
    parked:
      facts?.parkedAt === undefined || facts.parkedAt === null
        ? null
        : { since: facts.parkedAt.toISOString(), because: facts.parkedBecause ?? "" },
  };
}

function stateOf(
  facts: AgentFacts | null,
  last: Session | null,
  contained: boolean,
): Agent["state"] {
  if (contained) return "contained";
  if (facts !== null && facts.parkedAt !== null) return "parked";
  if (last === null) return "never-seen";
  if (last.endedAt !== null) return "idle";
  return last.suspectSince === null ? "working" : "suspect";
}
