/**
 * Tells the fleet how an incident goes, from its timeline: opened, contained, all clear. Each agent that
 * the damage could reach hears each of them once, in its own inbox, whatever is restarted in between.
 */
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { reachedFrom } from "../config/graph.ts";
import type { IncidentId } from "../ids.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";

export interface AnnounceDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly inboxes: Inboxes;
  /** The services that fail in the incident. */
  servicesOf(incident: IncidentId): Promise<readonly string[]>;
}

/** The timeline's event -> what the fleet hears. */
const told = {
  "incident.opened": "opened",
  "incident.contained": "contained",
  "incident.resumed": "all-clear",
} as const;
type Told = keyof typeof told;

/** What is older than this is no news. */
const newsMinutes = 60;
const turnMs = 500;
const atOnceMax = 50;

export function startAnnouncing(deps: AnnounceDeps): Loop {
  const { db, world, log } = deps;
  return startLoop({
    name: "announcements",
    everyMs: turnMs,
    log,
    async run() {
      for (const { incident, event, text } of await untold(db)) {
        await tellFleet(deps, incident, event, text);
        await db`
          insert into fleet_announcements (incident, event, told_at)
          values (${incident}, ${event}, ${world.now()}) on conflict do nothing`;
      }
    },
  });
}

async function untold(
  db: Db,
): Promise<readonly { incident: IncidentId; event: Told; text: string }[]> {
  return await db<{ incident: IncidentId; event: Told; text: string }[]>`
    select e.incident, e.event, min(e.text) as text from incident_events e
    where e.event = any(${Object.keys(told)}) and e.at > now() - ${newsMinutes} * interval '1 minute'
      and not exists (
        select from fleet_announcements a where a.incident = e.incident and a.event = e.event)
    group by e.incident, e.event order by min(e.id) limit ${atOnceMax}`;
}

async function tellFleet(
  { configuration, inboxes, servicesOf }: AnnounceDeps,
  incident: IncidentId,
  event: Told,
  text: string,
): Promise<void> {
  const config = configuration.current();
  const reached = (await servicesOf(incident)).flatMap((service) => reachedFrom(config, service));
  const agents = [...new Set(reached)].filter((name) => Object.hasOwn(config.agents, name));
  await Promise.all(
    agents.map((agent) =>
      inboxes.tell(agent, {
        id: `${incident}-${told[event]}-${agent}`,
        type: `incident.${told[event]}`,
        text,
        details: { incident },
      }),
    ),
  );
}
