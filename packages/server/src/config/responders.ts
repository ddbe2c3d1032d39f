import type { Config } from "./config.ts";

/** The role whose inbox gets incidents, and whose members act on them within their authority. */
export const responderRole = "responder";

export function isResponder(config: Config, agent: string): boolean {
  if (!Object.hasOwn(config.agents, agent)) return false;
  return config.agents[agent]?.roles.includes(responderRole) ?? false;
}

/** By name. */
export function respondersOf(config: Config): readonly string[] {
  return Object.keys(config.agents)
    .filter((agent) => isResponder(config, agent))
    .sort();
}
