import type { Client, Incident } from "@lastgood/sdk";
import type { DrillEvent, Ending } from "../drill.ts";
import type { Story } from "./story.ts";
import type { SeptemberWorld } from "./world.ts";

/** What happened, as the drill saw it. */
export interface Played {
  readonly story: Story;
  readonly world: SeptemberWorld;
  readonly client: Client;
  readonly timeline: readonly DrillEvent[];
  /** By act of the story. */
  readonly commits: readonly string[];
  readonly injectedAt: Date;
  readonly messages: readonly string[];
  /** Null: there never was one. */
  readonly incident: Incident | null;
  readonly ending: Ending;
  readonly settings: { readonly mode: string; readonly notDefault: readonly string[] };
  readonly explained: { readonly before: string; readonly broken: string; readonly after: string };
  readonly frontPageMs: { readonly before: number; readonly after: number };
}
