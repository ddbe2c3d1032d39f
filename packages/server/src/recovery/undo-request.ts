import type { Fault as FaultType } from "../fault.ts";
import { Fault } from "../fault.ts";
import type { AgentName, ChangeId, IncidentId, ServiceName } from "../ids.ts";
import type { Undo } from "../layers/layer.ts";
import type { Change } from "../ledger/change.ts";
import { isHand } from "./agent-rights.ts";

/** Which changes a person or agent wants taken back: explicit ones, a task's, or an agent's in a window. */
export interface UndoRequest {
  readonly incident?: string | undefined;
  readonly changes?: readonly string[] | undefined;
  readonly task?: string | undefined;
  readonly agent?: string | undefined;
  readonly since?: string | undefined;
  /** By default the incident's title. */
  readonly because?: string | undefined;
  /** By default for an incident only. */
  readonly contain?: boolean | undefined;
}

/** What a recovery must know of the incident that it is for. */
export interface IncidentAbout {
  readonly id: IncidentId;
  readonly title: string;
  readonly onset: Date;
  readonly services: readonly string[];
}

const undoable = new Set(["code", "state", "versions", "runtime", "messages"]);

/** The wish as the layers take it. The window opens with the incident, or with the first of the changes. */
export function undoOf(
  changes: readonly Change[],
  request: UndoRequest,
  incident: IncidentAbout | null,
): Undo | FaultType {
  const wanted = changes.filter((change) => undoable.has(change.layer));
  const oldest = wanted.at(-1);
  if (oldest === undefined) {
    return new Fault(
      "nothing_to_revert",
      "No change fits that could be put back: look with `lastgood changes`, and name ids, a task, or an agent with --since.",
    );
  }
  const exposed = wanted.flatMap((change) => change.exposures.map(({ service }) => service));
  const services = [...(incident?.services ?? []), ...exposed];
  const contain = request.contain ?? incident !== null;
  const hands = wanted.map(({ agent }) => agent).filter(isHand);
  return {
    changes: wanted.map(({ id }) => id as ChangeId),
    agents: contain ? ([...new Set(hands)] as AgentName[]) : [],
    services: [...new Set(services)] as ServiceName[],
    since: incident?.onset ?? oldest.at,
    incident: incident?.id ?? null,
    because: request.because ?? incident?.title ?? "asked for by hand",
  };
}
