/** Asks the content service for the front page, five times a second, and gives up after a second. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { Sample } from "@lastgood/sdk";
import { hearWhatIsTold } from "../../hear-what-is-told.ts";
import { startAgent } from "./agent-process.ts";

const everyMs = 200;
const givesUpMs = 1_000;
const { briefing, client, journal } = startAgent();
const requests = join(briefing.folder, "requests.ndjson");
let waiting: Sample[] = [];
let count = 0;

async function ask(): Promise<void> {
  const request = count++;
  const began = Date.now();
  const status = await fetch(`${briefing.service}/articles`, {
    signal: AbortSignal.timeout(givesUpMs),
  })
    .then(async (response) => {
      await response.text();
      return response.status;
    })
    .catch(() => 0);
  const line = { at: new Date(began).toISOString(), request, status, tookMs: Date.now() - began };
  appendFileSync(requests, `${JSON.stringify(line)}\n`);
  waiting.push({
    signal: "front_page_calls",
    service: "content-api",
    at: line.at,
    ok: status === 200,
    key: `visit-${request}`,
  });
}

async function report(): Promise<void> {
  const samples = waiting;
  waiting = [];
  if (samples.length === 0) return;
  await client.sendSamples(samples).catch((error: unknown) => {
    journal("samples-refused", { count: samples.length, because: String(error) });
  });
}

setInterval(() => void ask(), everyMs);
setInterval(() => void report(), 500);
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
await hearWhatIsTold(client, briefing.name, journal);
