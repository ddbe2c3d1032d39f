import type { Fault as FaultType } from "../fault.ts";
import { Fault } from "../fault.ts";
import type { AgentName, ChangeId, ServiceName } from "../ids.ts";
import type { Undo } from "../layers/layer.ts";
import type { Change } from "../ledger/change.ts";

/** Which changes a person or agent wants taken back: explicit ones, a task's, or an agent's in a window. */
export interface UndoRequest {
  readonly changes?: readonly string[] | undefined;
  readonly task?: string | undefined;
  readonly agent?: string | undefined;
  readonly since?: string | undefined;
  readonly because: string;
  readonly contain: boolean;
}

const undoable = new Set(["code", "state", "runtime", "messages"]);

/** The wish as the layers take it. The window opens with the first of the changes. */
export function undoOf(changes: readonly Change[], request: UndoRequest): Undo | FaultType {
  const wanted = changes.filter((change) => undoable.has(change.layer));
  const oldest = wanted.at(-1);
  if (oldest === undefined) {
    return new Fault(
      "nothing_to_revert",
      "No change fits that could be put back: look with `lastgood changes`, and name ids, a task, or an agent with --since.",
    );
  }
  const services = wanted.flatMap((change) => change.exposures.map(({ service }) => service));
  return {
    changes: wanted.map(({ id }) => id as ChangeId),
    agents: request.contain ? ([...new Set(wanted.map(({ agent }) => agent))] as AgentName[]) : [],
    services: [...new Set(services)] as ServiceName[],
    since: oldest.at,
    incident: null,
    because: request.because,
  };
}
