import type { Client, Incident } from "@lastgood/sdk";
import type { DrillEvent, Ending } from "../drill.ts";
import type { Act, Post, Story } from "./story.ts";
import type { SeptemberWorld } from "./world.ts";

/** One incident from what was done to its end, as the drill saw it. */
export interface Round {
  readonly acts: readonly Act[];
  readonly posts: readonly Post[];
  /** By act. */
  readonly commits: readonly string[];
  readonly injectedAt: Date;
  readonly messages: readonly string[];
  /** Null: there never was one. */
  readonly incident: Incident | null;
  readonly ending: Ending;
  readonly explained: { readonly before: string; readonly broken: string; readonly after: string };
  readonly frontPageMs: { readonly before: number; readonly after: number };
}

/** What happened, as the drill saw it. */
export interface Played extends Round {
  readonly story: Story;
  readonly world: SeptemberWorld;
  readonly client: Client;
  readonly timeline: readonly DrillEvent[];
  readonly settings: { readonly mode: string; readonly notDefault: readonly string[] };
  /** Where `lastgood skills sync` wrote what was learned by the first incident; null where nothing was. */
  readonly skill: string | null;
  /** Null: the same was not done again. */
  readonly again: Round | null;
}

/** Of the commit that did it; empty where there is none. */
export function guiltyOf({ acts, commits }: Pick<Round, "acts" | "commits">): string {
  return commits[acts.findIndex((act) => act.guilty)] ?? "";
}
