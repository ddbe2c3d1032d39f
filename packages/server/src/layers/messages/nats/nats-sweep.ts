/**
 * What the server gave up on by itself: told by its advisories where they reached us, and found by
 * comparing its books with ours where they did not (an advisory is sent once, and may be lost).
 */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { z } from "zod";
import type { Dropped, Overdue } from "../engine.ts";
import { asking, type NatsLink, requestMs } from "./nats-link.ts";
import { consumerInfo } from "./nats-make.ts";
import { type PulledMessage, pull } from "./nats-pull.ts";

const stream = "LASTGOOD_ADVISORIES";
const consumer = "lastgood-sweep-v1";
const gaveUp = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES";
const terminated = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED";
const keepMs = 7 * 86_400_000;
const batch = 200;

const advisorySchema = z.object({
  stream: z.string(),
  consumer: z.string(),
  stream_seq: z.number(),
});

export interface SweepDeps {
  readonly link: NatsLink;
  readonly overdue: readonly Overdue[];
  report(dropped: Dropped): Promise<void>;
  readonly signal: AbortSignal;
}

export async function sweepJetStream(deps: SweepDeps): Promise<void> {
  await readAdvisories(deps);
  for (const row of deps.overdue) await compareBooks(row, deps);
}

async function readAdvisories({ link, report, signal }: SweepDeps): Promise<void> {
  const connection = await link.connection();
  const manager = await link.manager();
  await asking("keep its advisories", async () => {
    await manager.streams.add({
      name: stream,
      subjects: [`${gaveUp}.>`, `${terminated}.>`],
      max_age: nanos(keepMs),
      max_bytes: 64 * 1024 * 1024,
    });
    await manager.consumers.add(stream, {
      durable_name: consumer,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(30_000),
      max_ack_pending: batch,
    });
  });
  const pulled: PulledMessage[] = [];
  const request = { stream, consumer, batch, expiresMs: 0 };
  await pull(connection, request, (each) => pulled.push(each), signal);
  for (const { message, reference } of pulled) {
    const advisory = advisorySchema.safeParse(parse(message.payload));
    if (advisory.success) {
      await report({
        consumer: advisory.data.consumer,
        stream: advisory.data.stream,
        seq: advisory.data.stream_seq,
        because: message.subject.startsWith(gaveUp) ? "max_deliver" : "rejected",
      });
    }
    await asking("confirm an advisory", () =>
      connection.request(reference, "+ACK", { timeout: requestMs }),
    );
  }
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    return null;
  }
}

/**
 * Messages that should long have come again. Below the ack floor, or delivered while the server waits
 * for no ack at all, the server will not deliver them again.
 */
async function compareBooks(
  { name, stream, seqs }: Overdue,
  { link, report }: SweepDeps,
): Promise<void> {
  const info = await consumerInfo(link, stream, name);
  for (const seq of seqs) {
    const settled = info !== null && seq <= info.ack_floor.stream_seq;
    const forgotten =
      info !== null && info.num_ack_pending === 0 && seq <= info.delivered.stream_seq;
    if (info === null || settled || forgotten) {
      await report({ consumer: name, stream, seq, because: "max_deliver" });
    }
  }
}
