import { type Call, segment } from "../call.ts";
import type { Witness } from "./incidents.ts";

/** `active`: used and handed out. `failed`: it did not help where it was used. `retired`: by a person. */
export const skillStates = ["active", "failed", "retired"] as const;
export type SkillState = (typeof skillStates)[number];

/** What a change looked like that did it once: by this the next one is recognised. */
export interface PlaybookCause {
  readonly incident: string;
  readonly layer: string;
  /** A repository, a document `collection/id`, an artifact. */
  readonly target: string;
  /** The commit or version that it made. */
  readonly to: string | null;
  readonly agent: string;
  /** What its author wrote of it. */
  readonly reason: string;
  readonly paths: readonly string[];
  /** Names in the lines that it added or took away. */
  readonly words: readonly string[];
}

/** A step of the plan that worked, without what only that day knew. */
export interface PlaybookStep {
  readonly stage: string;
  readonly layer: string;
  readonly do: string;
  /** Of which kind of thing: `layer:thing`, or empty where the step moves nothing. */
  readonly target: string;
}

/** An incident that was put right by this plan. Times are ISO 8601 in UTC. */
export interface PlaybookCase {
  readonly incident: string;
  readonly recovery: string;
  readonly verifiedAt: string;
  readonly detectedToDecidedMs: number | null;
  readonly detectedToVerifiedMs: number | null;
  /** Runs of checks that it took to tell which change did it. */
  readonly reruns: number;
}

/** `playbook.json`: what fails, what did it, how that was proven, and the plan that put it right. */
export interface Playbook {
  readonly format: 1;
  readonly skill: string;
  readonly revision: number;
  readonly service: string;
  /** `service/rule`, with `/segment` where it was one: it is matched by any of these. */
  readonly signatures: readonly string[];
  /** The newest first. */
  readonly causes: readonly PlaybookCause[];
  readonly evidence: {
    readonly witnesses: readonly Witness[];
    readonly check: {
      readonly service: string;
      readonly command: readonly string[];
      readonly bad: string;
      readonly good: string;
    } | null;
  };
  readonly steps: readonly PlaybookStep[];
  /** The newest first. */
  readonly cases: readonly PlaybookCase[];
}

export interface SkillSummary {
  /** Also the name of its folder. Lower-case letters, digits and hyphens. */
  readonly name: string;
  readonly revision: number;
  /** What it does and when to use it, in Lastgood's own words. */
  readonly description: string;
  readonly service: string;
  readonly signatures: readonly string[];
  readonly state: SkillState;
  /** Why it is not active; empty where it is. */
  readonly because: string;
  /** How many incidents were put right by its plan, the first included. */
  readonly putRight: number;
  readonly writtenAt: string;
  readonly updatedAt: string;
}

/** An incident in which a playbook said where to look. */
export interface SkillUse {
  readonly incident: string;
  readonly at: string;
  /** The changes that it led to, the likeliest first; empty where nothing resembled what did it before. */
  readonly leads: readonly string[];
  /**
   * `proposed`: not decided yet. `confirmed`: the evidence convicted what it led to. `put-right`: and that
   * recovery is verified. `mistaken`, `failed`: the playbook is not used any more. `not-applied`: it led nowhere.
   */
  readonly outcome: "proposed" | "confirmed" | "put-right" | "mistaken" | "failed" | "not-applied";
  readonly says: string;
}

export interface Skill extends SkillSummary {
  /** `SKILL.md`, in the Agent Skills format. */
  readonly markdown: string;
  readonly playbook: Playbook;
  /** The newest first, at most 50. */
  readonly uses: readonly SkillUse[];
}

export interface SkillQuery {
  /** Default `active`. */
  readonly state?: SkillState | "all" | undefined;
  readonly service?: string | undefined;
  /** 1 to 200, default 100. */
  readonly limit?: number | undefined;
}

export function skillsApi(call: Call) {
  const one = (name: string) => `/v1/skills/${segment(name)}`;
  return {
    /** What earlier recoveries taught, last changed first. */
    skills: (query: SkillQuery = {}) =>
      call<{ skills: readonly SkillSummary[]; more: boolean }>("GET", "/v1/skills", {
        query: { ...query },
      }),
    /** The active one of that name, else the last that was. */
    skill: (name: string) => call<Skill>("GET", one(name)),
    /** It is not used or handed out any more. */
    retireSkill: (name: string, because: string) =>
      call<Skill>("POST", `${one(name)}/retire`, { body: { because } }),
  };
}
