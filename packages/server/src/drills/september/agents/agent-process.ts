/** What the world's agents share: each is a process of its own, told what to do by its parent. */
import { setTimeout as pause } from "node:timers/promises";
import { type Client, consume, createClient, Fault } from "@lastgood/sdk";
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

const containedLookMs = 250;

/** Reads its inbox for as long as the process lives. A contained agent waits until it is reinstated. */
export async function hearWhatIsTold(
  client: Client,
  agent: string,
  journal: Journal,
): Promise<never> {
  for (;;) {
    try {
      await consume(client, {
        agent,
        signal: new AbortController().signal,
        async handler({ id, payload }) {
          journal("told", { message: id, payload });
        },
      });
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "contained") throw error;
      journal("contained", { because: error.message });
      await pause(containedLookMs);
    }
  }
}
