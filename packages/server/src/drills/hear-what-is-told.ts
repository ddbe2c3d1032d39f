import { setTimeout as pause } from "node:timers/promises";
import { type Client, consume, Fault } from "@lastgood/sdk";
import type { Journal } from "./journal.ts";

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
