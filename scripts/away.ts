/**
 * `npm run drills:away -- [--seconds 60] [--requests 50]`: agents work through a gateway of its own while server
 * and PostgreSQL are killed, stay away, and come back. Prints what was counted; exits 1 when a request or a
 * resolve failed.
 */
import { parseArgs } from "node:util";
import { runAway } from "../packages/server/test/gateway/away.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    requests: { type: "string", default: "50" },
  },
});
const outcome = await runAway({
  awayMs: Number(values.seconds) * 1_000,
  requestsPerSecond: Number(values.requests),
  told: (text) => console.error(text),
});
console.log(JSON.stringify(outcome, null, 2));
process.exitCode = outcome.failedRequests.length + outcome.failedResolves.length === 0 ? 0 : 1;
