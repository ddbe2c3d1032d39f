/**
 * Tells responders how an incident goes, from its timeline: whoever of the role `responder` takes the message
 * hears what it must know to act on it.
 *
 *   P1. Each word of the timeline is told once, whatever is restarted in between: the message's id is made of
 *       the word's, and the inbox takes an id once.
 *   P2. What they are told is how it stands when they are told, not when the word was written.
 */
import type { IncidentDossier } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { respondersOf, responderRole as role } from "../config/responders.ts";
import type { IncidentId } from "../ids.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";

export interface ResponderLoopDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly inboxes: Inboxes;
  dossierOf(incident: IncidentId): Promise<IncidentDossier>;
}

/** The timeline's event -> the type of the message. Of a word that comes again each is told. */
const told = {
  "incident.opened": "incident.opened",
  "incident.decided": "incident.decided",
  "incident.frozen": "incident.frozen",
  "incident.taken": "incident.taken",
  "incident.handed-back": "incident.handed-back",
  "incident.contained": "incident.contained",
  "incident.resumed": "incident.all-clear",
  "incident.dismissed": "incident.closed",
  "incident.subsided": "incident.closed",
} as const;

/** What is older than this is no news. */
const newsMinutes = 60;
const turnMs = 500;
const atOnceMax = 50;

export function startTellingResponders(deps: ResponderLoopDeps): Loop {
  const { db, world, log, configuration } = deps;
  return startLoop({
    name: "responders",
    everyMs: turnMs,
    log,
    async run() {
      if (respondersOf(configuration.current()).length === 0) return;
      for (const word of await untold(db)) {
        await tell(deps, word);
        await db`
          insert into fleet_announcements (incident, event, told_at)
          values (${word.incident}, ${`${role} ${word.id}`}, ${world.now()}) on conflict do nothing`;
      }
    },
  });
}

interface Word {
  readonly id: number;
  readonly incident: IncidentId;
  readonly event: keyof typeof told;
  readonly text: string;
}

async function untold(db: Db): Promise<readonly Word[]> {
  return await db<Word[]>`
    select e.id, e.incident, e.event, e.text from incident_events e
    where e.event = any(${Object.keys(told)}) and e.at > now() - ${newsMinutes} * interval '1 minute'
      and not exists (
        select from fleet_announcements a
        where a.incident = e.incident and a.event = ${`${role} `} || e.id)
    order by e.id limit ${atOnceMax}`;
}

async function tell(
  { inboxes, dossierOf }: ResponderLoopDeps,
  { id, incident, event, text }: Word,
): Promise<void> {
  const dossier = await dossierOf(incident);
  const { severity, title } = dossier;
  await inboxes.tell(
    { role },
    {
      id: `${incident}-${role}-${id}`,
      type: told[event],
      text: `${incident} (${severity}) ${title}: ${text}`,
      details: { ...dossier },
    },
  );
}
