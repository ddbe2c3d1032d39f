/**
 * The page of an incident, from the first call to the resolution, and the announcements around it.
 *
 *     (none) ─> called ──────> acknowledged ─> resolved
 *        └────> nobody-to-call ─┴─> called …
 *
 *   N1. An incident has at most one page, however often and by how many it is asked for.
 *   N2. Nothing is sent here: everything goes to the outbox in the caller's transaction, under a key
 *       that names it, so that it is said once or, with the transaction, never.
 */
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Query } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import type { Notifier, PageRequest } from "./notify.ts";
import {
  callPerson,
  enqueue,
  findDeliveries,
  findPages,
  markAcknowledged,
  markResolved,
  openPage,
} from "./notify-store.ts";
import {
  audienceOf,
  bodyFor,
  type Channel,
  callOrder,
  channelsOf,
  type Page,
  type Word,
} from "./page.ts";

/** A notifier, and what people do with their pages. */
export interface Pager extends Notifier {
  /** Somebody has it in hand. Faults: `not_found`, `state_forbids` for a resolved page. */
  acknowledge(db: Query, incident: string, by: string, at: Date): Promise<Page>;
  /** Calls the next person who was not called yet. False when there is none. */
  callNext(db: Query, page: Page): Promise<boolean>;
  /** Calls and resolves at once, so that a person sees that they can be reached. Returns its id. */
  rehearse(db: Query, person: string): Promise<string>;
}

export function createPager(configuration: Configuration, world: World): Pager {
  async function say(
    db: Query,
    person: string,
    word: Word,
    channels: readonly Channel[] = channelsOf(configuration.current(), person),
  ): Promise<void> {
    await enqueue(
      db,
      channels.map((channel) => ({
        id: newId<string>(world, "msg"),
        key: `${word.incident} ${word.type} ${person} ${channel}`,
        incident: word.incident,
        kind: word.kind,
        person,
        channel,
        body: bodyFor(channel, word),
      })),
    );
  }

  async function tell(db: Query, page: Page, kind: Word["kind"], type: string, text: string) {
    if (page.person === null) return;
    const { incident, severity, details } = page;
    const word = { kind, type, incident, severity, details, at: world.now(), summary: text };
    await say(db, page.person, word);
  }

  async function callNext(db: Query, page: Page): Promise<boolean> {
    const past = await findDeliveries(db, { incidents: [page.incident], limit: 1_000 });
    const called = new Set(
      past.filter(({ kind }) => kind === "trigger").map((each) => each.person),
    );
    const order = callOrder(configuration.current(), page.owner);
    const next = order.find((person) => !called.has(person));
    if (next === undefined) return false;
    await callPerson(db, page.incident, next);
    await tell(db, { ...page, person: next }, "trigger", "page.triggered", page.summary);
    await recordEvent(db, page.incident as IncidentId, {
      at: world.now(),
      actor: "lastgood",
      event: "person.called",
      text: `${next} is called: ${page.summary}`,
      key: `person.called ${next}`,
    });
    return true;
  }

  return {
    callNext,

    async page(db: Query, request: PageRequest): Promise<void> {
      const page: Page = {
        ...request,
        person: null,
        state: "nobody-to-call",
        openedAt: world.now(),
        acknowledgedAt: null,
        acknowledgedBy: null,
        resolvedAt: null,
      };
      if (!(await openPage(db, page))) return;
      if (await callNext(db, page)) return;
      await recordEvent(db, request.incident, {
        at: world.now(),
        actor: "lastgood",
        event: "page.opened",
        text: `nobody can be called: no one in \`people\` has a pagerduty or webhook: ${page.summary}`,
        key: "page.opened",
      });
    },

    async acknowledge(db, incident, by, at) {
      const [page] = await findPages(db, { incident, limit: 1 });
      if (page === undefined) {
        throw new Fault(
          "not_found",
          `The incident ${incident} has no page: list them with \`lastgood pages\`.`,
        );
      }
      if (page.state === "resolved") {
        throw new Fault(
          "state_forbids",
          `The page of ${incident} was resolved at ${page.resolvedAt?.toISOString()}: there is nothing to acknowledge.`,
        );
      }
      if (await markAcknowledged(db, incident, by, at)) {
        await tell(db, page, "acknowledge", "page.acknowledged", `${by} has it in hand`);
        await recordEvent(db, incident as IncidentId, {
          at,
          actor: by,
          event: "page.acknowledged",
          text: `${by} acknowledged the page`,
          key: "page.acknowledged",
        });
      }
      const [now = page] = await findPages(db, { incident, limit: 1 });
      return now;
    },

    async resolve(db, incident, summary) {
      if (!(await markResolved(db, incident, world.now()))) return;
      const [page] = await findPages(db, { incident, limit: 1 });
      if (page === undefined) return;
      // Everybody who was called is told, also those whom the call did not reach in time.
      const past = await findDeliveries(db, { incidents: [incident], limit: 1_000 });
      const called = past.filter(({ kind }) => kind === "trigger").map(({ person }) => person);
      for (const person of new Set(called)) {
        await tell(db, { ...page, person }, "resolve", "page.resolved", summary);
      }
    },

    async announce(db, incident, phase, text) {
      const [page] = await findPages(db, { incident, limit: 1 });
      const word: Word = {
        ...{ kind: "announce", type: `incident.${phase}`, incident, at: world.now() },
        severity: page?.severity ?? "high",
        summary: text,
        details: {},
      };
      for (const person of audienceOf(configuration.current())) {
        await say(db, person, word, ["webhook"]);
      }
    },

    async rehearse(db, person) {
      if (channelsOf(configuration.current(), person).length === 0) {
        throw new Fault(
          "not_found",
          `${person} cannot be called: set people.${person}.pagerduty or people.${person}.webhook in lastgood.yaml.`,
        );
      }
      const incident = newId<string>(world, "rehearsal");
      const common = { incident, severity: "low", details: {}, at: world.now() } as const;
      const summary = "A rehearsal by Lastgood: you can be reached. Nothing is wrong.";
      await say(db, person, { ...common, kind: "trigger", type: "page.triggered", summary });
      await say(db, person, { ...common, kind: "resolve", type: "page.resolved", summary });
      return incident;
    },
  };
}
