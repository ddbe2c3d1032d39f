import { type Skill, type SkillSummary, skillStates } from "@lastgood/sdk";
import { z } from "zod";
import type { StoredSkill, StoredUse } from "./skill-store.ts";
import { descriptionOf } from "./skill-text.ts";

const summary = {
  name: z.string(),
  revision: z.number(),
  description: z.string(),
  service: z.string(),
  signatures: z.array(z.string()),
  state: z.enum(skillStates),
  because: z.string(),
  putRight: z.number(),
  writtenAt: z.string(),
  updatedAt: z.string(),
};

/** The shapes that the SDK states; a difference between the two does not compile. */
export const summarySchema: z.ZodType<SkillSummary> = z.object(summary);

export const skillSchema: z.ZodType<Skill> = z.object({
  ...summary,
  markdown: z.string(),
  playbook: z.object({
    format: z.literal(1),
    skill: z.string(),
    revision: z.number(),
    service: z.string(),
    signatures: z.array(z.string()),
    causes: z.array(
      z.object({
        incident: z.string(),
        layer: z.string(),
        target: z.string(),
        to: z.string().nullable(),
        agent: z.string(),
        reason: z.string(),
        paths: z.array(z.string()),
        words: z.array(z.string()),
      }),
    ),
    evidence: z.object({
      witnesses: z.array(z.enum(["contrast", "rerun", "reports"])),
      check: z
        .object({
          service: z.string(),
          command: z.array(z.string()),
          bad: z.string(),
          good: z.string(),
        })
        .nullable(),
    }),
    steps: z.array(
      z.object({ stage: z.string(), layer: z.string(), do: z.string(), target: z.string() }),
    ),
    cases: z.array(
      z.object({
        incident: z.string(),
        recovery: z.string(),
        verifiedAt: z.string(),
        detectedToDecidedMs: z.number().nullable(),
        detectedToVerifiedMs: z.number().nullable(),
        reruns: z.number(),
      }),
    ),
  }),
  uses: z.array(
    z.object({
      incident: z.string(),
      at: z.string(),
      leads: z.array(z.string()),
      outcome: z.enum(["proposed", "confirmed", "put-right", "mistaken", "failed", "not-applied"]),
      says: z.string(),
    }),
  ),
});

export function toSummary({ playbook, ...skill }: StoredSkill): SkillSummary {
  const { name, service, signatures, state, because } = skill;
  return {
    ...{ name, revision: playbook.revision, description: descriptionOf(playbook) },
    ...{ service, signatures, state, because, putRight: playbook.cases.length },
    writtenAt: skill.writtenAt.toISOString(),
    updatedAt: skill.updatedAt.toISOString(),
  };
}

export function toSkill(stored: StoredSkill, uses: readonly StoredUse[]): Skill {
  return {
    ...toSummary(stored),
    markdown: stored.markdown,
    playbook: stored.playbook,
    uses: uses.map(({ incident, at, leads, outcome, says }) => ({
      ...{ incident, leads, outcome, says },
      at: at.toISOString(),
    })),
  };
}
