/**
 * Empties the outbox.
 *
 *     waiting ── claimed, sent ──┬─> delivered
 *        ^                       ├─> undeliverable ──> the next person is called
 *        └── due later ──────────┘
 *
 *   D1. A delivery is claimed for longer than an attempt may take. A server that dies between sending
 *       and recording leaves the claim to run out: it is sent again with the same id and bytes, which
 *       PagerDuty (dedup_key) and receivers of Standard Webhooks (webhook-id) take as the same.
 *   D2. A receiver that stalls delays nobody else: at most `sendsMax` are under way, each for itself.
 *   D3. Attempts are bounded; what is given up stays in the table, and doctor shows it.
 */
import type { Logger } from "pino";
import type { Config, Configuration } from "../config/config.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Attempt, backoffMsFirst, settle } from "./delivery.ts";
import type { Pager } from "./notifier.ts";
import {
  type Claimed,
  claimDue,
  findDeliveries,
  findPages,
  forgetOldDeliveries,
  keepSecret,
  recordSettlement,
} from "./notify-store.ts";
import { channelsOf } from "./page.ts";
import { post, postMsMax } from "./post.ts";
import { signedHeaders, webhookSecret } from "./standard-webhooks.ts";

export interface DeliveryLoopDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly pager: Pager;
  readonly log: Logger;
  /** The environment in which routing keys are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pace?: Pace;
}

/** The times that the loop keeps; tests keep shorter ones. */
export interface Pace {
  readonly everyMs: number;
  /** How long one attempt may take. A claim is held for twice that. */
  readonly postMs: number;
  readonly backoffMsFirst: number;
}

const usualPace: Pace = { everyMs: 500, postMs: postMsMax, backoffMsFirst };
const sendsMax = 20;
const forgetEveryMs = 3_600_000;

export function startDeliveryLoop(deps: DeliveryLoopDeps): Loop {
  const { db, world, configuration, pager, log, pace = usualPace } = deps;
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  let forgottenAt = 0;

  async function callWhomNobodyCalled(): Promise<void> {
    const { people } = configuration.current();
    const anybody = Object.keys(people).some(
      (person) => channelsOf(configuration.current(), person).length > 0,
    );
    if (!anybody) return;
    for (const page of await findPages(db, { state: "nobody-to-call", limit: 10 })) {
      await db.begin((tx) => pager.callNext(tx, page));
    }
  }

  async function deliver(claimed: Claimed): Promise<void> {
    const attempt = await attemptTo(deps, claimed, stopping.signal);
    if (stopping.signal.aborted) return;
    const settlement = settle(attempt, claimed.attempts, world.now(), pace.backoffMsFirst);
    if (settlement.kind !== "delivered") {
      log.warn(
        { delivery: claimed.id, person: claimed.person, channel: claimed.channel, settlement },
        "a page or announcement was not delivered",
      );
    }
    await db.begin(async (tx) => {
      if (!(await recordSettlement(tx, claimed, settlement))) return;
      if (settlement.kind !== "undeliverable" || claimed.kind !== "trigger") return;
      const calls = await findDeliveries(tx, { incidents: [claimed.incident], limit: 1_000 });
      const isReached = calls.some(
        ({ kind, state }) => kind === "trigger" && state !== "undeliverable",
      );
      const [page] = await findPages(tx, { incident: claimed.incident, limit: 1 });
      if (!isReached && page?.state === "called") await pager.callNext(tx, page);
    });
  }

  const loop = startLoop({
    name: "deliveries",
    everyMs: pace.everyMs,
    log,
    async run() {
      await callWhomNobodyCalled();
      for (const claimed of await claimDue(db, sendsMax - underWay.size, 2 * pace.postMs)) {
        const sending = deliver(claimed)
          .catch((err) => log.error({ err, delivery: claimed.id }, "a delivery was not settled"))
          .finally(() => underWay.delete(sending));
        underWay.add(sending);
      }
      if (Date.now() - forgottenAt > forgetEveryMs) {
        forgottenAt = Date.now();
        await forgetOldDeliveries(db);
      }
    },
  });

  return {
    wake: loop.wake,
    async stop() {
      await loop.stop();
      stopping.abort();
      await Promise.all(underWay);
    },
  };
}

async function attemptTo(
  { db, world, configuration, environment, pace = usualPace }: DeliveryLoopDeps,
  { id, person, channel, body }: Claimed,
  signal: AbortSignal,
): Promise<Attempt> {
  const config = configuration.current();
  const settings = personOf(config, person);
  if (channel === "pagerduty") {
    const variable = settings?.pagerduty;
    const key = variable === undefined ? undefined : environment[variable];
    if (key === undefined || key === "") {
      return {
        kind: "refused",
        because:
          variable === undefined
            ? `people.${person}.pagerduty is no longer set`
            : `the environment variable ${variable} is not set: start Lastgood with it`,
      };
    }
    const url = new URL(`${config.pages.pagerdutyUrl.replace(/\/+$/, "")}/v2/enqueue`);
    const event: unknown = { ...JSON.parse(body), routing_key: key };
    return await post(
      { url, headers: {}, body: JSON.stringify(event), reach: "private" },
      signal,
      pace.postMs,
    );
  }
  if (settings?.webhook === undefined) {
    return { kind: "refused", because: `people.${person}.webhook is no longer set` };
  }
  const secret = await keepSecret(db, person, webhookSecret(world.randomBytes(32)));
  return await post(
    {
      url: new URL(settings.webhook),
      headers: signedHeaders(secret, id, world.now(), body),
      body,
      reach: config.pages.allowPrivate ? "any" : "public",
    },
    signal,
    pace.postMs,
  );
}

function personOf(config: Config, person: string): Config["people"][string] | undefined {
  return Object.hasOwn(config.people, person) ? config.people[person] : undefined;
}
