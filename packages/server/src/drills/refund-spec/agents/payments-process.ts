/**
 * The payment provider: knows orders, and pays out. An order is looked up for a while, each for itself, so that some
 * work is always before its next step; its books are opened several times a second, and whoever asks is answered then. It does not recognise what it has seen before: what is asked twice is paid twice.
 */
import { appendFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { briefing, type PaymentsBriefing } from "./briefing.ts";

/** A line of payments.ndjson. */
export interface Payment {
  readonly at: string;
  /** The id under which it was asked for. */
  readonly key: string;
  readonly request: string;
  readonly amount: number;
}

const opensEveryMs = 120;
const looksUpMs = 300;
const { folder, port } = briefing<PaymentsBriefing>();
const paid = new Map<string, Payment>();
let waiting: (() => void)[] = [];

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://payments");
  if (request.method === "POST") {
    const asked = JSON.parse(await text(request)) as Omit<Payment, "at">;
    waiting.push(() => {
      const payment = { at: new Date().toISOString(), ...asked };
      appendFileSync(join(folder, "payments.ndjson"), `${JSON.stringify(payment)}\n`);
      paid.set(asked.key, payment);
      answer(response, 200, { key: asked.key });
    });
    return;
  }
  const key = url.searchParams.get("key");
  if (key === null) {
    setTimeout(() => answer(response, 200, { order: url.pathname }), looksUpMs);
    return;
  }
  waiting.push(() => {
    const found = paid.get(key);
    answer(response, found === undefined ? 404 : 200, found ?? { error: "nothing was paid" });
  });
}

setInterval(() => {
  const now = waiting;
  waiting = [];
  for (const each of now) each();
}, opensEveryMs);
createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  take(request, response).catch((error: unknown) => {
    answer(response, 400, { error: String(error) });
  });
}).listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
