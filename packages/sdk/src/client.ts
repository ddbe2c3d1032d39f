import { accessApi } from "./api/access.ts";
import { codeApi } from "./api/code.ts";
import { configurationApi } from "./api/configuration.ts";
import { coverageApi } from "./api/coverage.ts";
import { incidentsApi } from "./api/incidents.ts";
import { learningApi } from "./api/learning.ts";
import { ledgerApi } from "./api/ledger.ts";
import { messagesApi } from "./api/messages.ts";
import { notifyApi } from "./api/notify.ts";
import { recoveryApi } from "./api/recovery.ts";
import { runtimeApi } from "./api/runtime.ts";
import { signalsApi } from "./api/signals.ts";
import { stateApi } from "./api/state.ts";
import { type Connection, callTo } from "./call.ts";

/** The whole public API, a function per operation. The CLI and the dashboard use this and nothing else. */
export function createClient(connection: Connection) {
  const call = callTo(connection);
  return {
    ...accessApi(call),
    ...codeApi(call),
    ...incidentsApi(call),
    ...configurationApi(call),
    ...coverageApi(call),
    ...learningApi(call),
    ...ledgerApi(call),
    ...messagesApi(call),
    ...notifyApi(call),
    ...recoveryApi(call),
    ...runtimeApi(call),
    ...signalsApi(call),
    ...stateApi(call),
  };
}

export type Client = ReturnType<typeof createClient>;
