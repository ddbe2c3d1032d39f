/**
 * The skills room: what verified recoveries taught, for every agent and for the next incident.
 *
 *     write-up ─> learn ─> skills ─┬─> HTTP, MCP, briefs, `lastgood skills sync`
 *                                  └─> consult: where an investigation looks first ─> compare ─> learn
 */
import type { SkillSummary } from "@lastgood/sdk";
import type { App } from "../http/app.ts";
import type { IncidentId } from "../ids.ts";
import type { Playbooks } from "../incidents/neighbours.ts";
import type { RecoveryEvent } from "../recovery/recovery.ts";
import { compare, consult, recoveryFailed } from "./consult.ts";
import { type LearnDeps, learn } from "./learn.ts";
import { skillRoutes } from "./skill-routes.ts";
import { toSummary } from "./skill-schemas.ts";
import { listSkills } from "./skill-store.ts";

export interface Skills extends Playbooks {
  /** The incident is over and written up. Its skill is there when this resolves, where it taught one. */
  learn(incident: IncidentId): Promise<void>;
  /** For the recovery room: how far a recovery is. */
  recoveryMoved(event: RecoveryEvent): Promise<void>;
  /** Written or revised since then (null: ever), the last first, and how many more there are: up to a hundred. */
  since(
    then: Date | null,
    limit: number,
  ): Promise<{ readonly skills: readonly SkillSummary[]; readonly more: number }>;
  routes(app: App): void;
}

const countedMax = 100;

export function createSkills(deps: LearnDeps): Skills {
  const { db, log } = deps;
  return {
    async leads(incident, signatures, suspects) {
      try {
        return await consult(deps, incident, signatures, suspects);
      } catch (error) {
        // Knowing where to look is a help: without it an investigation looks everywhere.
        log.error({ err: error, incident }, "no playbook could be consulted");
        return [];
      }
    },
    async decided(incident, decided) {
      try {
        await compare(deps, incident, decided);
      } catch (error) {
        // Settled when it is written up, or left as proposed.
        log.error({ err: error, incident }, "a playbook's lead could not be compared");
      }
    },
    async learn(incident) {
      await learn(deps, incident);
    },
    async recoveryMoved({ incident, kind, says, calledFor }) {
      // Two actors in contradiction say nothing of the playbook.
      if (kind !== "failed" || incident === null || calledFor !== undefined) return;
      await recoveryFailed(deps, incident, says);
    },
    async since(then, limit) {
      const found = await listSkills(db, { state: "active", since: then, limit: countedMax });
      return {
        skills: found.slice(0, limit).map(toSummary),
        more: Math.max(0, found.length - limit),
      };
    },
    routes: (app) => skillRoutes(app, deps),
  };
}
