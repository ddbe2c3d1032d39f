import type { Config } from "../config/config.ts";
import { carriersOf, type Thing } from "../config/graph.ts";
import type { IncidentId } from "../ids.ts";
import type { Step } from "../layers/layer.ts";
import type { Incident, Symptom } from "./incident.ts";
import { incidentsIn, symptomsOf } from "./incident-store.ts";
import type { MoveDeps } from "./moves.ts";

/** The services whose automation stops when the incident is taken. */
export function servicesOf(
  config: Config,
  incident: Incident,
  symptoms: readonly Symptom[],
): readonly string[] {
  const named = [incident.service, ...symptoms.map(({ service }) => service)];
  return [...new Set(named)].filter((service) => Object.hasOwn(config.services, service));
}

/** What a plan would put back, as things of the declared graph. */
export function thingsOf(steps: readonly Step[]): readonly Thing[] {
  return steps.flatMap(thingsOfStep);
}

function thingsOfStep(step: Step): readonly Thing[] {
  switch (step.layer) {
    case "code":
      return [{ layer: "code", target: step.action.repository }];
    case "versions":
      return [{ layer: "versions", target: step.action.artifact }];
    case "runtime":
      return [{ layer: "runtime", target: step.action.service }];
    case "state":
      return step.action.documents.map(({ collection, id }) => ({
        layer: "state",
        target: `${collection}/${id}`,
      }));
    case "messages":
    case "fleet":
    case "signals":
      return [];
  }
}

/** Where damage to the thing shows first; of an artifact that nothing declared uses, under its own name. */
function showingFirst(config: Config, thing: Thing): readonly string[] {
  const { layer, target } = thing;
  if (layer === "runtime" && Object.hasOwn(config.services, target)) return [target];
  const carriers = carriersOf(config, thing);
  return carriers.length === 0 && layer === "versions" ? [target] : carriers;
}

/** Who holds the thing (or a service that carries it): the incident and the person; null when free. */
export async function takenBy(
  { db, configuration }: MoveDeps,
  things: readonly Thing[],
): Promise<{ readonly incident: IncidentId; readonly by: string } | null> {
  const config = configuration.current();
  const services = new Set(things.flatMap((thing) => showingFirst(config, thing)));
  for (const { incident } of await incidentsIn(db, ["taken"])) {
    if (incident.state !== "taken") continue;
    const symptoms = await symptomsOf(db, incident.id);
    const held = [incident.service, ...servicesOf(config, incident, symptoms)];
    if (held.some((service) => services.has(service)))
      return { incident: incident.id, by: incident.by };
  }
  return null;
}
