/**
 * The stream that tells OFREP providers to evaluate again. Browsers cannot send a token with an EventSource, so
 * its address carries a ticket: signed, for one environment, good for a day, and for nothing but this.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { FastifyReply } from "fastify";
import { Fault } from "../fault.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Snapshot, Snapshots } from "./snapshot.ts";

const setting = "releases.stream-key";
const ticketMs = 86_400_000;
const aliveEveryMs = 15_000;
const streamsMax = 10_000;
export const unreadBytesMax = 65_536;
/** Under this many seconds of hiding, a provider keeps its stream. */
export const inactivityDelaySec = 120;

export interface Tickets {
  /** The same for all that ask within an hour, so that a provider keeps the stream that it has. */
  issue(environment: string): string;
  /** The environment; faults `unauthenticated`. */
  redeem(ticket: string): string;
}

/** The key is the installation's: a ticket of one server is good at another, and after a restart. */
export async function openTickets(db: Db, world: World): Promise<Tickets> {
  const fresh = randomBytes(32).toString("base64url");
  await db`
    insert into settings (name, value) values (${setting}, ${db.json(fresh)})
    on conflict (name) do nothing`;
  const [row] = await db<{ value: string }[]>`select value from settings where name = ${setting}`;
  const key = Buffer.from(row?.value ?? fresh, "base64url");
  const sign = (text: string) => createHmac("sha256", key).update(text).digest();
  return {
    issue(environment) {
      const hour = Math.floor(world.now().getTime() / 3_600_000);
      const text = `${environment}.${(hour * 3_600_000 + ticketMs).toString(36)}`;
      return `${text}.${sign(text).toString("base64url")}`;
    },
    redeem(ticket) {
      const at = ticket.lastIndexOf(".");
      const text = ticket.slice(0, Math.max(0, at));
      const given = Buffer.from(ticket.slice(at + 1), "base64url");
      const right = sign(text);
      const until = Number.parseInt(text.slice(text.lastIndexOf(".") + 1), 36);
      const good = given.length === right.length && timingSafeEqual(given, right);
      if (good && until > world.now().getTime()) return text.slice(0, text.lastIndexOf("."));
      throw new Fault(
        "unauthenticated",
        "This stream's address is not one that Lastgood gave lately: evaluate in bulk again, and take the one in `eventStreams`.",
      );
    },
  };
}

export interface Streams {
  /** Hijacks the reply. `lastEventId`: the epoch that it was told last; null where it says none. */
  open(reply: FastifyReply, now: Snapshot, lastEventId: number | null): void;
  stop(): void;
}

interface Open {
  readonly environment: string;
  /** Something was left unread when it was looked at last. */
  isBehind: boolean;
}

/** Who does not read what it asked for, within two looks or `unreadBytesMax`, is cut: its provider comes again. */
export function createStreams(
  snapshots: Pick<Snapshots, "onChange" | "follow">,
  lookEveryMs = aliveEveryMs,
): Streams {
  const open = new Map<FastifyReply["raw"], Open>();
  const off = snapshots.onChange((snapshot) => {
    const text = eventOf(snapshot);
    for (const [raw, { environment }] of open) {
      if (environment !== snapshot.environment) continue;
      raw.write(text);
      if (raw.writableLength > unreadBytesMax) raw.destroy();
    }
  });
  const alive = setInterval(() => {
    for (const [raw, one] of open) {
      const isBehind = raw.writableLength > 0;
      if (isBehind && one.isBehind) raw.destroy();
      else if (!isBehind) raw.write(": alive\n\n");
      one.isBehind = isBehind;
    }
  }, lookEveryMs);
  return {
    open(reply, now, lastEventId) {
      if (open.size >= streamsMax) {
        throw new Fault("too_many", `${streamsMax} streams are open here: poll instead for now.`);
      }
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      raw.write(": open\n\n");
      // Who does not say what it saw last may have evaluated before what is pinned now, or from a cache of its own: it
      // is told once, and has from then on an epoch to come again with.
      if (lastEventId !== now.epoch) raw.write(eventOf(now));
      const { environment } = now;
      open.set(raw, { environment, isBehind: false });
      const leave = snapshots.follow(environment);
      raw.once("close", () => {
        open.delete(raw);
        leave();
      });
    },
    stop() {
      off();
      clearInterval(alive);
      for (const raw of open.keys()) raw.end();
      open.clear();
    },
  };
}

function eventOf({ environment, epoch }: Snapshot): string {
  const data = JSON.stringify({ type: "refetchEvaluation", etag: `"${environment}-${epoch}"` });
  return `id: ${epoch}\nevent: message\ndata: ${data}\n\n`;
}
