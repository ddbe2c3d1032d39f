/** A router of support tickets whose releases are rules, run by a program that the gate asks over HTTP. */

import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import type { Client, GateRun } from "@lastgood/sdk";
import type { Seams } from "../../src/main.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

export const router = "support-router";
export const production = "production";

/** What a release says: which team gets which word; `capitals`: who gets what is shouted. */
export interface Rules {
  readonly capitals?: string;
  /** It never answers. */
  readonly hangs?: boolean;
}

export interface Ticket {
  readonly text: string;
}

/** Refunds go to refunds and all else to general, but for what a release has against capitals. */
export function route({ text }: Ticket, { capitals }: Rules = {}): string {
  if (capitals !== undefined && text === text.toUpperCase()) return capitals;
  return /refund/i.test(text) ? "refunds" : "general";
}

export interface GateWorld extends AsyncDisposable {
  readonly server: TestServer;
  readonly client: Client;
  /** Writes a file into the bank. */
  put(file: string, text: string): Promise<void>;
  /** Runs the gate to its end. */
  judge(version: string): Promise<GateRun>;
  /** How often each release was asked. */
  readonly asked: Map<string, number>;
}

export async function startGateWorld(
  /** `answersWithin`: how long a release may take, by default longer than any that does not hang. */
  { answersWithin = "1m", ...gate }: Readonly<Record<string, unknown>> = {},
  more: object = {},
  seams: Seams = {},
): Promise<GateWorld> {
  const asked = new Map<string, number>();
  const answering = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      const { version, content, input } = JSON.parse(text) as {
        version: string;
        content: Rules;
        input: Ticket;
      };
      asked.set(version, (asked.get(version) ?? 0) + 1);
      if (content.hangs !== true) response.end(JSON.stringify(route(input, content)));
    });
  });
  await new Promise<void>((resolve) => answering.listen(0, "127.0.0.1", resolve));
  const address = answering.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const run = { http: `http://127.0.0.1:${port}/`, timeout: answersWithin };
  const server = await startServer({ gate: { [router]: { run, ...gate } }, ...more }, seams);
  const { client } = server;
  await client.declareArtifact(router, { kind: "config", inFlight: "switch" });
  return {
    ...{ server, client, asked },
    async put(file, text) {
      const path = join(server.folder, ".lastgood/checks", file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    },
    async judge(version) {
      const begun = await client.startGateRun(router, version);
      return await until("the gate's end", async () => {
        const run = await client.gateRun(begun.id, { waitMs: 1_000 });
        return run.state === "running" ? null : run;
      });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      answering.closeAllConnections();
      await new Promise((resolve) => answering.close(resolve));
    },
  };
}

/** Publishes it, and pins it where it is to be live. */
export async function publish(client: Client, version: string, rules: Rules, live = false) {
  await client.publishRelease(router, { version, content: { ...rules } });
  if (live) await client.deployRelease(production, router, { version });
}

/** Work that was done under what is pinned now, with what turned out to be right. */
export async function handle(
  client: Client,
  tickets: readonly Ticket[],
  rules: Rules,
): Promise<void> {
  await Promise.all(
    tickets.map(async (ticket, index) => {
      const style = ticket.text === ticket.text.toUpperCase() ? "capitals" : "plain";
      const { execution } = await client.beginExecution({
        ...{ artifact: router, key: `${ticket.text}-${index}`, input: { ...ticket } },
        dimensions: { style },
      });
      await client.endExecution(execution.id, { state: "finished", output: route(ticket, rules) });
      await client.tellOutcome(execution.id, { expected: route(ticket) });
    }),
  );
}

export const capitalsCheck = `
artifact: support-router
because: shouting is no reason to be sent elsewhere
cases:
  - { name: shouted, input: { text: REFUND ME }, expected: refunds }
  - { name: spoken, input: { text: refund me }, expected: refunds }
`;
