/**
 * Customers ask for refunds, and say so when they do not get what they are owed: for those the house knows later
 * what would have been right.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import { isOwed } from "../policy.ts";
import { type Request, requestsOf, tellStory } from "../story.ts";
import { briefing, type CustomersBriefing } from "./briefing.ts";
import type { Answered } from "./service-agent.ts";

/** What customers do from now on; `none` is answered once nobody waits any more. */
export interface CustomersOrder {
  readonly traffic: "on" | "none";
}

/** A line of requests.ndjson. */
export interface RequestLine extends Request, Answered {
  readonly at: string;
  readonly answeredAt: string;
  readonly isOwed: boolean;
}

const { folder, url, token, seed, agentPorts } = briefing<CustomersBriefing>();
const story = tellStory(seed);
const requests = requestsOf(story);
const client = createClient({ url, token });
const tickMs = 10;
const givesUpMs = 30_000;
/** On a busy machine fewer come: what is measured is the switch, and not the crowd. */
const underWayMax = 30;
const complainsOf = 0.6;
const thanksOf = 0.3;

let isOn = false;
let due = 0;
let count = 0;
const underWay = new Set<Promise<void>>();

async function send(request: Request, port: number): Promise<void> {
  const at = new Date().toISOString();
  const answered = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(givesUpMs),
  })
    .then(async (response) => (await response.json()) as Answered)
    .catch(
      (error: unknown): Answered => ({
        ...{ refunded: false, version: null, execution: null, because: String(error) },
      }),
    );
  const line: RequestLine = {
    ...{ at, answeredAt: new Date().toISOString(), ...request, ...answered },
    isOwed: isOwed(request),
  };
  appendFileSync(join(folder, "requests.ndjson"), `${JSON.stringify(line)}\n`);
  const { execution, refunded } = line;
  if (!line.isOwed || execution === null || !writes(request, refunded)) return;
  const note = refunded ? "the customer says thanks" : "the customer wrote again";
  await client.tellOutcome(execution, { score: refunded ? 1 : 0, expected: "refund", note });
}

/** Whether the house hears what was right. The same customer always writes, or never. */
function writes({ customer }: Request, refunded: boolean): boolean {
  return (Number(customer.slice(1)) % 100) / 100 < (refunded ? thanksOf : complainsOf);
}

function sendDue(): void {
  if (!isOn) return;
  due += (story.rate * tickMs) / 1_000;
  for (; due >= 1 && underWay.size < underWayMax; due -= 1) {
    const port = agentPorts[count % agentPorts.length] ?? 0;
    count += 1;
    const sending = send(requests.next(), port).catch((error: unknown) => {
      appendFileSync(join(folder, "customers.log"), `${String(error)}\n`);
    });
    underWay.add(sending);
    void sending.finally(() => underWay.delete(sending));
  }
}

async function follow({ traffic }: CustomersOrder): Promise<void> {
  isOn = traffic === "on";
  if (!isOn) await Promise.all(underWay);
}

setInterval(sendDue, tickMs);
process.on("message", (order: CustomersOrder) => {
  follow(order).then(
    () => process.send?.({ done: true }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
