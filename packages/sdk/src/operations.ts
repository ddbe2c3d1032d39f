import { accessApi } from "./api/access.ts";
import { briefsApi } from "./api/briefs.ts";
import { checkpointsApi } from "./api/checkpoints.ts";
import { checksApi } from "./api/checks.ts";
import { codeApi } from "./api/code.ts";
import { configurationApi } from "./api/configuration.ts";
import { coverageApi } from "./api/coverage.ts";
import { effectsApi } from "./api/effects.ts";
import { executionsApi } from "./api/executions.ts";
import { gateApi } from "./api/gate.ts";
import { gatewayApi } from "./api/gateway.ts";
import { incidentsApi } from "./api/incidents.ts";
import { learningApi } from "./api/learning.ts";
import { ledgerApi } from "./api/ledger.ts";
import { messagesApi } from "./api/messages.ts";
import { notifyApi } from "./api/notify.ts";
import { recoveryApi } from "./api/recovery.ts";
import { releasesApi } from "./api/releases.ts";
import { rolloutsApi } from "./api/rollouts.ts";
import { runtimeApi } from "./api/runtime.ts";
import { sessionsApi } from "./api/sessions.ts";
import { signalsApi } from "./api/signals.ts";
import { skillsApi } from "./api/skills.ts";
import { stateApi } from "./api/state.ts";
import { tasksApi } from "./api/tasks.ts";
import { workTreesApi } from "./api/work-trees.ts";
import { type Connection, callTo } from "./call.ts";

/** A function per operation of the public API. */
export function operations(connection: Connection) {
  const call = callTo(connection);
  return {
    ...accessApi(call),
    ...briefsApi(call),
    ...checkpointsApi(call),
    ...checksApi(call),
    ...codeApi(call),
    ...gateApi(call),
    ...incidentsApi(call),
    ...configurationApi(call),
    ...coverageApi(call),
    ...effectsApi(call),
    ...executionsApi(call),
    ...gatewayApi(call),
    ...learningApi(call),
    ...ledgerApi(call),
    ...messagesApi(call),
    ...notifyApi(call),
    ...recoveryApi(call),
    ...releasesApi(call),
    ...rolloutsApi(call),
    ...runtimeApi(call),
    ...sessionsApi(call),
    ...signalsApi(call),
    ...skillsApi(call),
    ...stateApi(call),
    ...tasksApi(call),
    ...workTreesApi(call),
  };
}

export type Client = ReturnType<typeof operations>;
