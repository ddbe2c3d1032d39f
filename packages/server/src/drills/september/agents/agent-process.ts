/** What the world's agents share: each is a process of its own, told what to do by its parent. */
import { type Client, createClient } from "@lastgood/sdk";
import { type Journal, openJournal } from "../../journal.ts";
import type { Variant } from "../story.ts";

/** What an agent gets from whoever starts it, in LASTGOOD_DRILL_AGENT as JSON. */
export interface AgentBriefing {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly service: string;
  readonly seed: number;
  readonly variant: Variant;
}

export interface AgentProcess {
  readonly briefing: AgentBriefing;
  readonly client: Client;
  readonly journal: Journal;
}

export function startAgent(): AgentProcess {
  const briefing = JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as AgentBriefing;
  return {
    briefing,
    client: createClient({ url: briefing.url, token: briefing.token }),
    journal: openJournal(briefing.folder, briefing.name),
  };
}
