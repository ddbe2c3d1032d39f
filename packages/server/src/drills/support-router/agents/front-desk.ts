/**
 * Customers write here, and hear where their ticket went. Whoever answers a ticket finds out where it belonged;
 * for a part of them the front desk tells so, later, as the outcome of the execution that routed it.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createClient, Fault } from "@lastgood/sdk";
import { hearWhatIsTold } from "../../hear-what-is-told.ts";
import { openJournal } from "../../journal.ts";
import { chanceOf } from "../../random.ts";
import { frontDesk, tellStory } from "../story.ts";
import { type Surge, type Ticket, ticketsOf } from "../tickets.ts";
import { briefing, type DeskBriefing } from "./briefing.ts";
import { exchange } from "./exchange.ts";
import type { Routed } from "./triage-agent.ts";

/** What customers do from now on. `none` is answered once nobody waits any more. */
export interface DeskOrder {
  readonly traffic: "calm" | "surge" | "none";
}

/** A line of requests.ndjson. */
export interface Request extends Routed {
  /** When it was sent, and answered. */
  readonly at: string;
  readonly answeredAt: string;
  readonly ticket: string;
  readonly triager: number;
  readonly channel: string;
  readonly text: string;
  readonly isOfSurge: boolean;
  readonly status: number;
  /** Where it belonged. */
  readonly belongs: string;
  readonly isRight: boolean;
}

const { folder, url, token, triagers, seed, perSecond } = briefing<DeskBriefing>();
const { surge, outcomes } = tellStory(seed, null);
const client = createClient({ url, token });
const journal = openJournal(folder, frontDesk);
const tickets = ticketsOf(seed);
const chance = chanceOf(seed + 0xdec);
const tickMs = 10;
const givesUpMs = 25_000;
const underWayMax = 64;
const tellersMax = 8;
const triesMax = 20;
const againMs = 500;

let traffic: DeskOrder["traffic"] = "none";
let due = 0;
const underWay = new Set<Promise<void>>();
const known: Known[] = [];

/** A surge comes on top of what comes anyway. */
function rateOf({ size }: Surge): number {
  return traffic === "surge" ? perSecond / (1 - size / 100) : perSecond;
}

async function send(ticket: Ticket): Promise<void> {
  const { id, customer, channel, text, queue, isOfSurge } = ticket;
  const triager = Number(customer.slice(1)) % triagers.length;
  const at = new Date();
  const { status, routed } = await exchange(`http://127.0.0.1:${triagers[triager]}/tickets`, {
    ...{ method: "POST", body: { id, customer, channel, text }, withinMs: givesUpMs },
  })
    .then(({ status, body }) => ({ status, routed: JSON.parse(body) as Routed }))
    .catch((error: unknown) => ({ status: 0, routed: nothing(String(error)) }));
  const line: Request = {
    ...{ at: at.toISOString(), answeredAt: new Date().toISOString(), ticket: id, triager },
    ...{ channel, text, isOfSurge, status, ...routed },
    ...{ belongs: queue, isRight: routed.queue === queue },
  };
  appendFileSync(join(folder, "requests.ndjson"), `${JSON.stringify(line)}\n`);
  const isKnownLater = chance.next() * 100 < outcomes.ofHundred;
  if (isKnownLater && routed.execution !== null && routed.queue !== null) {
    const dueAt = performance.now() + chance.integer(...outcomes.afterMs);
    known.push({ execution: routed.execution, ticket, dueAt, tries: 1 });
  }
}

interface Known {
  readonly execution: string;
  readonly ticket: Ticket;
  readonly dueAt: number;
  readonly tries: number;
}

/** Few people find out, and tell one ticket after another: what they cannot tell yet waits. */
async function tellWhatIsKnown(): Promise<never> {
  for (;;) {
    const at = known.findIndex(({ dueAt }) => dueAt <= performance.now());
    const [next] = at < 0 ? [] : known.splice(at, 1);
    if (next === undefined) await pause(tickMs);
    else await tell(next).catch((error: unknown) => journal("failed", { because: String(error) }));
  }
}

function nothing(error: string): Routed {
  return { queue: null, version: null, execution: null, from: "gateway", error };
}

/** What has just passed the gateway may not be in the books yet. */
async function tell(what: Known): Promise<void> {
  const { execution, ticket, tries } = what;
  try {
    await client.tellOutcome(execution, { expected: ticket.queue });
    journal("told", { ticket: ticket.id, execution });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const isSoon = error.code === "not_found" && tries < triesMax;
    if (isSoon) known.push({ ...what, tries: tries + 1, dueAt: performance.now() + againMs });
    else journal("refused", { ticket: ticket.id, execution, because: error.message });
  }
}

function sendDue(): void {
  if (traffic === "none") return;
  due += (rateOf(surge) * tickMs) / 1_000;
  for (; due >= 1; due -= 1) {
    // Whoever finds the line busy does not write.
    if (underWay.size >= underWayMax) continue;
    const sending = send(tickets.next(traffic === "surge" ? surge : null)).catch((error) =>
      journal("failed", { because: String(error) }),
    );
    underWay.add(sending);
    void sending.finally(() => underWay.delete(sending));
  }
}

async function follow(order: DeskOrder): Promise<void> {
  traffic = order.traffic;
  journal("traffic", { traffic });
  if (traffic === "none") await Promise.all(underWay);
}

setInterval(sendDue, tickMs);
for (let teller = 0; teller < tellersMax; teller++) void tellWhatIsKnown();
process.on("message", (order: DeskOrder) => {
  follow(order).then(
    () => process.send?.({ done: true }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
await hearWhatIsTold(client, frontDesk, journal);
