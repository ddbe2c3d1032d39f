import type { Client, Incident, Pin, RolloutDetails } from "@lastgood/sdk";
import type { DrillEvent, Ending } from "../drill.ts";
import type { Settings } from "../set-stage.ts";
import type { Request } from "./agents/front-desk.ts";
import type { Story } from "./story.ts";
import type { RouterWorld } from "./world.ts";

/** What happened, as the drill saw it and as the world shows it. */
export interface Played {
  readonly story: Story;
  readonly world: RouterWorld;
  readonly client: Client;
  readonly settings: Settings;
  readonly timeline: readonly DrillEvent[];
  /** Of v14, when it was live, and as it is at the end. */
  readonly live: RolloutDetails;
  readonly ended: RolloutDetails;
  /** When the surge came, or the outage. */
  readonly injectedAt: Date;
  /** When the outage was over; null for a surge, which lasts. */
  readonly mendedAt: Date | null;
  /** By what the judge said that the outage is nobody's release; null where it did not, and for a surge. */
  readonly toldApart: string | null;
  /** Null: there never was one. */
  readonly incident: Incident | null;
  readonly ending: Ending;
  /** What came after v14; none where it stayed. */
  readonly candidates: readonly RolloutDetails[];
  /** Of the artifact, newest first. */
  readonly pins: readonly Pin[];
  readonly stragglers: number;
  readonly requests: readonly Request[];
}
