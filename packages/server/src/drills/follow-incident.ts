import type { Client, Incident } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Ending } from "./drill.ts";
import { type Patience, until } from "./until.ts";

export interface Followed {
  /** Null: there never was one. */
  readonly incident: Incident | null;
  readonly ending: Ending;
}

/** Follows the first incident (`after` another) to its end, telling what happens in it as it happens. */
export async function followIncident(
  client: Client,
  told: (actor: string, event: string, at?: string) => void,
  patience: Patience,
  after: Incident | null = null,
): Promise<Followed> {
  const seen = new Set<string>();
  const look = async (): Promise<Followed | null> => {
    const incident = await firstIncident(client, after);
    if (incident === null) return null;
    for (const { at, actor, event, text } of incident.timeline) {
      if (seen.has(`${at}${event}${text}`)) continue;
      seen.add(`${at}${event}${text}`);
      told(actor, `${event}: ${text}`, at);
    }
    if (incident.state === "closed") return { incident, ending: "closed" };
    return (await waitsForPerson(client, incident))
      ? { incident, ending: "waits-for-person" }
      : null;
  };
  try {
    return await until("the incident to be closed", look, patience);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "timed_out") throw error;
    patience.signal.throwIfAborted();
    told("drill", String(error));
    return { incident: await firstIncident(client, after), ending: "unfinished" };
  }
}

/** The first one there was, or the first after that one. */
async function firstIncident(client: Client, after: Incident | null): Promise<Incident | null> {
  const { incidents } = await client.incidents({ state: "all" });
  const first = incidents.findLast(
    ({ id, openedAt }) => after === null || (id !== after.id && openedAt > after.openedAt),
  );
  return first === undefined ? null : await client.incident(first.id);
}

/** There is no person in this story: what stopped for one, or lacks a check that only one can waive, is over. */
async function waitsForPerson(client: Client, { id, ...incident }: Incident): Promise<boolean> {
  if (incident.state === "frozen") return true;
  if (incident.state !== "resumed") return false;
  const { check, draft } = await client.postMortem(id);
  return !draft && check?.accepted !== true;
}
