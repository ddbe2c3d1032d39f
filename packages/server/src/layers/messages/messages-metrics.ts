import { Gauge, type Registry } from "prom-client";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";

interface Totals {
  readonly state: string;
  readonly messages: number;
  readonly oldest: Date | null;
}

/** How the inboxes stand at `/metrics`: totals, so that a large fleet does not make a large answer. */
export function measureMessages(registry: Registry, { db, world }: { db: Db; world: World }): void {
  const registers = [registry];
  const oldest = new Gauge({
    name: "lastgood_messages_oldest_seconds",
    help: "Age of the oldest message that a consumer was given and has not settled.",
    registers,
  });
  new Gauge({
    name: "lastgood_messages_unsettled",
    help: "Messages that consumers were given and have not settled, by state.",
    labelNames: ["state"],
    registers,
    async collect() {
      const rows = await db<Totals[]>`
        select state, count(*) as messages, min(published_at) as oldest
        from message_pending group by state`;
      for (const state of ["due", "out", "resting"]) this.labels(state).set(0);
      for (const { state, messages } of rows) this.labels(state).set(messages);
      const since = rows.map((row) => row.oldest?.getTime() ?? Number.POSITIVE_INFINITY);
      const first = Math.min(...since);
      oldest.set(Number.isFinite(first) ? (world.now().getTime() - first) / 1_000 : 0);
    },
  });
  new Gauge({
    name: "lastgood_dead_letters",
    help: "Dead letters that nobody has settled, by reason.",
    labelNames: ["reason"],
    registers,
    async collect() {
      const rows = await db<{ reason: string; letters: number }[]>`
        select reason, count(*) as letters from dead_letters where state = 'dead' group by reason`;
      this.reset();
      for (const { reason, letters } of rows) this.labels(reason).set(letters);
    },
  });
  new Gauge({
    name: "lastgood_consumers_held",
    help: "Consumers that deliver nothing, because somebody holds them.",
    registers,
    async collect() {
      const [row] = await db<{ held: number }[]>`
        select count(distinct consumer) as held from message_holds`;
      this.set(row?.held ?? 0);
    },
  });
}
