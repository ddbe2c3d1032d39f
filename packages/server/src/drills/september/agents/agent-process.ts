/** What the world's agents share: each is a process of its own, told what to do by its parent. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";

/** What an agent gets from whoever starts it, in LASTGOOD_DRILL_AGENT as JSON. */
export interface AgentBriefing {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly service: string;
  readonly seed: number;
  readonly variant: "plain" | "same-file" | "flaky-test";
}

export interface AgentProcess {
  readonly briefing: AgentBriefing;
  readonly client: Client;
  /** Writes to `agents/<name>.ndjson`, at once: what is not on disk did not happen. */
  journal(event: string, what: Readonly<Record<string, unknown>>): void;
}

export function startAgent(): AgentProcess {
  const briefing = JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as AgentBriefing;
  const file = join(briefing.folder, "agents", `${briefing.name}.ndjson`);
  return {
    briefing,
    client: createClient({ url: briefing.url, token: briefing.token }),
    journal(event, what) {
      appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), event, ...what })}\n`);
    },
  };
}
