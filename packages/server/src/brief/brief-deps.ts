import type { BriefMessage, Effect, SkillSummary, Task } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { WorkTrees } from "./read-tree.ts";
import type { SessionReads } from "./session-reads.ts";

/** What this room needs of others, and no more. */
export interface BriefDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly reads: Pick<SessionReads, "flush">;
  readonly tasks: {
    openFor(
      agent: string,
      roles: readonly string[],
      limit: number,
    ): Promise<{ readonly tasks: readonly Task[]; readonly more: number }>;
  };
  readonly effects: {
    unknownOf(
      agent: string,
      limit: number,
    ): Promise<{ readonly effects: readonly Effect[]; readonly more: boolean }>;
  };
  readonly messages: {
    inboxesOf(
      agent: string,
      roles: readonly string[],
    ): Promise<readonly { readonly name: string; readonly holds: readonly string[] }[]>;
    waitingFor(
      consumers: readonly string[],
      limit: number,
    ): Promise<{ readonly messages: readonly BriefMessage[]; readonly more: number }>;
  };
  readonly skills: {
    /** Written or revised since then (null: ever), the last first. */
    since(
      then: Date | null,
      limit: number,
    ): Promise<{ readonly skills: readonly SkillSummary[]; readonly more: number }>;
  };
  /** Null: no work tree is read here, only what is sent. */
  readonly workTrees: WorkTrees | null;
}
