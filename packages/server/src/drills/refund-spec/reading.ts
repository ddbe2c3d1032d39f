/** What the drill reads of the world's own records: nothing here asks Lastgood. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readJournal } from "../journal.ts";
import type { RequestLine } from "./agents/customers.ts";
import type { Payment } from "./agents/payments-process.ts";
import { agents } from "./story.ts";
import type { RefundWorld } from "./world.ts";

export async function readRequests({ folder }: RefundWorld): Promise<readonly RequestLine[]> {
  return await readLines<RequestLine>(join(folder, "requests.ndjson"));
}

export async function readPayments({ folder }: RefundWorld): Promise<readonly Payment[]> {
  return await readLines<Payment>(join(folder, "payments.ndjson"));
}

/** What is being written while we read has no end yet. */
async function readLines<T>(file: string): Promise<readonly T[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** When each agent began to follow the pin of that epoch or a later one; null for one that did not. */
export async function followedAt(
  { folder }: RefundWorld,
  epoch: number,
): Promise<readonly (Date | null)[]> {
  return await Promise.all(
    agents.map(async (agent) => {
      const journal = await readJournal(folder, agent);
      const line = journal.find((each) => each.event === "follows" && Number(each.epoch) >= epoch);
      return line === undefined ? null : new Date(line.at);
    }),
  );
}

/** Of those that a release decided, sent since then: the share that was refunded. */
export function successOf(
  requests: readonly RequestLine[],
  version: string,
  since: Date,
): { readonly share: number; readonly of: number } {
  const own = requests.filter((each) => each.version === version && new Date(each.at) >= since);
  return { share: own.filter(({ refunded }) => refunded).length / own.length, of: own.length };
}

/** Owed, refused for the limit, by the release. */
export function failedOfLimit(requests: readonly RequestLine[]): readonly RequestLine[] {
  return requests.filter(
    ({ isOwed, refunded, because }) => isOwed && !refunded && /over the limit/.test(because ?? ""),
  );
}

/** How often each request was paid. */
export function paidCounts(payments: readonly Payment[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { request } of payments) counts.set(request, (counts.get(request) ?? 0) + 1);
  return counts;
}
