import { learningApi } from "./api/learning.ts";
import { ledgerApi } from "./api/ledger.ts";
import { recoveryApi } from "./api/recovery.ts";
import { type Connection, callTo } from "./call.ts";

/** The whole public API, a function per operation. The CLI and the dashboard use this and nothing else. */
export function createClient(connection: Connection) {
  const call = callTo(connection);
  return {
    ...learningApi(call),
    ...ledgerApi(call),
    ...recoveryApi(call),
  };
}

export type Client = ReturnType<typeof createClient>;
