/**
 * Routes tickets: asks the model through Lastgood's gateway, and keeps what it was told by release, so that a
 * ticket that is sent twice is asked for once. It follows the pins as any consumer does.
 */
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createClient, splitRelease } from "@lastgood/sdk";
import { hearWhatIsTold } from "../../hear-what-is-told.ts";
import { openJournal } from "../../journal.ts";
import { artifact } from "../story.ts";
import { questionOf } from "../tickets.ts";
import { briefing, type TriageBriefing } from "./briefing.ts";
import { exchange, headerOf } from "./exchange.ts";

/** A ticket as a triager gets it: without where it belongs. */
export interface TicketPosted {
  readonly id: string;
  readonly customer: string;
  readonly channel: string;
  readonly text: string;
}

export interface Routed {
  /** Null: no answer. */
  readonly queue: string | null;
  /** Of the release that said so. */
  readonly version: string | null;
  /** Null where it was kept from before. */
  readonly execution: string | null;
  readonly from: "gateway" | "cache";
  readonly error: string | null;
}

const { name, folder, url, token, gateway, port } = briefing<TriageBriefing>();
const journal = openJournal(folder, name);
const givesUpMs = 20_000;

const client = createClient({ url, token });
const releases = await client.releases({
  ...{ id: name, artifacts: [artifact] },
  onTrouble: (fault) => journal("trouble", { because: fault.message }),
});
const kept = releases.cacheFor<string>(artifact);
let size = 0;
releases.onChange(() => {
  journal("dropped", { epoch: releases.epoch, routes: size });
  size = 0;
});

async function triage(ticket: TicketPosted): Promise<Routed> {
  const resolved = releases.resolve(artifact, ticket.customer);
  const { version } = resolved;
  const before = kept.get(resolved, ticket.text);
  if (before !== undefined) {
    return { queue: before, version, execution: null, from: "cache", error: null };
  }
  const routed = await ask(ticket);
  if (routed.queue !== null && routed.version === version) {
    kept.set(resolved, ticket.text, routed.queue);
    size = kept.size;
  }
  return routed;
}

async function ask({ customer, channel, text: question }: TicketPosted): Promise<Routed> {
  const answered = await exchange(`${gateway}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "x-lastgood-key": customer,
      "x-lastgood-dimensions": `channel=${channel}`,
    },
    body: { model: artifact, user: customer, ...questionOf(question) },
    withinMs: givesUpMs,
  });
  const { choices, error } = JSON.parse(answered.body) as {
    readonly choices?: readonly { readonly message: { readonly content: string } }[];
    readonly error?: { readonly message: string };
  };
  const release = headerOf(answered, "x-lastgood-release");
  return {
    queue: choices?.[0]?.message.content ?? null,
    version: release === null ? null : splitRelease(release).version,
    execution: headerOf(answered, "x-lastgood-execution"),
    from: "gateway",
    error: answered.status === 200 ? null : `${answered.status}: ${error?.message ?? ""}`,
  };
}

async function handle(request: IncomingMessage): Promise<Routed> {
  const ticket = JSON.parse(await text(request)) as TicketPosted;
  const routed = await triage(ticket).catch(
    (error: unknown): Routed => ({
      ...{ queue: null, version: null, execution: null, from: "gateway", error: String(error) },
    }),
  );
  journal("handled", { message: ticket.id, ...routed });
  return routed;
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  void handle(request)
    .catch((error: unknown) => ({ error: String(error) }))
    .then((body) => {
      const isRouted = "queue" in body && body.queue !== null;
      response.writeHead(isRouted ? 200 : 503, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
});
server.listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
await hearWhatIsTold(client, name, journal);
