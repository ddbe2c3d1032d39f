/**
 * `npm run drills:kills -- [--kills 500] [--seed N] [--engine embedded|nats] [--agents 4]`: agents work and are
 * killed from outside at moments that the seed chooses. Prints the table; exits 1 when anything was lost, done
 * twice, invented or left behind. PostgreSQL is an embedded one of the run's own, or DATABASE_URL's.
 *
 *     --mutation NAME   over a Lastgood that is broken in one place: it must not come to zeros
 */
import { parseArgs } from "node:util";
import { runKills } from "../packages/server/test/drills/kills/run-kills.ts";
import { tableOf } from "../packages/server/test/drills/kills/table.ts";
import { natsBinaries, startNats } from "../packages/server/test/support/nats.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "500" },
    seed: { type: "string", default: String(Date.now() % 100_000) },
    engine: { type: "string", default: "embedded" },
    agents: { type: "string", default: "4" },
    mutation: { type: "string" },
  },
});
if (!/^(embedded|nats)$/.test(values.engine) || !(Number(values.kills) >= 0)) {
  throw new Error("--engine is embedded or nats, and --kills a number");
}
const runMsMax = 3_600_000;
const stage = new AsyncDisposableStack();
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  // Whoever interrupts it gets a clean machine back.
  process.once(name, () => interrupted.abort(new Error(`the kills were ended by ${name}`)));
}
try {
  console.log(`seed ${values.seed}`);
  const outcome = await runKills({
    kills: Number(values.kills),
    seed: Number(values.seed),
    agents: Number(values.agents),
    natsUrl: values.engine === "nats" ? await nats() : null,
    databaseUrl: process.env.DATABASE_URL ?? null,
    leaseMs: [1_500, 2_500],
    drainMsMax: values.mutation === undefined ? 300_000 : 60_000,
    ...(values.mutation === undefined ? {} : { mutation: values.mutation }),
    told: (text) => console.log(text),
    signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(runMsMax)]),
  });
  console.log(tableOf(outcome));
  const violations = outcome.judged.flatMap((each) => each.violations).length;
  process.exitCode = violations === 0 ? 0 : 1;
} finally {
  await stage.disposeAsync();
}

async function nats(): Promise<string> {
  const [binary = ""] = natsBinaries();
  const server = stage.use(await startNats(binary));
  return server.url;
}
