/**
 * Who may move a pin. People may, by their token's role; an agent where `deploys` of lastgood.yaml lets it, and
 * never past a freeze or a person who took over.
 */
import { matchesGlob } from "node:path";
import type { Config } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { Actor } from "../http/actor.ts";

export interface Dial {
  readonly environment: string;
  readonly artifact: string;
}

/** Faults `not_yours`, `forbidden`, `frozen`. `heldBecause` is asked only for agents. */
export async function requireMayMove(
  config: Config,
  actor: Actor,
  dial: Dial,
  heldBecause: (artifact: string, environment: string) => Promise<string | null>,
  override: string | null = null,
): Promise<void> {
  if (actor.role !== "agent") return;
  const { agent } = actor;
  const place = `${dial.environment}/${dial.artifact}`;
  const globs = Object.hasOwn(config.agents, agent) ? (config.agents[agent]?.deploys ?? []) : [];
  if (!globs.some((glob) => matchesGlob(place, glob))) {
    throw new Fault(
      "not_yours",
      `${agent} may not move the pin ${place}: list it under agents.${agent}.deploys in lastgood.yaml, or ask an operator.`,
    );
  }
  if (override !== null) {
    throw new Fault(
      "forbidden",
      `${agent} may not deploy what was rolled back: an operator lifts the bar, or overrides it.`,
    );
  }
  const held = await heldBecause(dial.artifact, dial.environment);
  if (held === null) return;
  throw new Fault("frozen", `${agent} may not move the pin ${place} now: ${held}.`);
}
