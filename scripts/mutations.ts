/**
 * `npm run drills:mutations [-- NAME...]`: runs the September drill over a Lastgood that is broken in one
 * place, once for each. Every one must make the drill fail; exits 1 when one does not.
 */
import { join, resolve } from "node:path";
import type { DrillReport } from "../packages/server/src/drills/drill.ts";
import { september } from "../packages/server/src/drills/september/september.ts";
import {
  type Mutation,
  mutations,
  requireMutation,
} from "../packages/server/test/drills/mutations.ts";

const root = resolve(import.meta.dirname, "..");
const program = join(root, "packages/server/test/drills/mutated-program.ts");
/** Plain, all commits in one deploy, the guilty one in their midst: neither first nor last. */
const seed = 6;
const patienceMs = 75_000;
const drillMsMax = 240_000;

const named = process.argv.slice(2);
const chosen = named.length === 0 ? mutations : named.map(requireMutation);
let missed = 0;
for (const mutation of chosen) {
  const began = performance.now();
  const caughtBy = await drill(mutation);
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  if (caughtBy === null) missed++;
  const verdict = caughtBy === null ? "NOT CAUGHT" : "caught";
  console.log(`${mutation.name.padEnd(34)} ${verdict.padEnd(11)} ${seconds.padStart(6)} s`);
  console.log(`    ${mutation.what}`);
  for (const line of caughtBy ?? []) console.log(`    - ${line}`);
}
console.log(
  `${chosen.length - missed} of ${chosen.length} mutations made the drill fail (seed ${seed}).`,
);
console.log(
  "September writes no documents: half and idle state layers are its own tests' to catch.",
);
process.exitCode = missed === 0 ? 0 : 1;

/** What the drill said against it; null where it came to an ok. */
async function drill(mutation: Mutation): Promise<readonly string[] | null> {
  const said: string[] = [];
  const report = await september.run({
    seed,
    variant: null,
    keep: process.env.KEEP ?? null,
    databaseUrl: process.env.DATABASE_URL ?? null,
    natsUrl: null,
    program: [process.execPath, ...process.execArgv, program, "--mutation", mutation.name],
    patienceMs,
    told: ({ actor, event }) => {
      if (process.env.TOLD === "1") console.error(`${actor}: ${event}`);
      if (event.includes("did not take")) said.push(`said: ${event.slice(0, 200)}`);
    },
    signal: AbortSignal.timeout(drillMsMax),
  });
  return report.ok ? null : [...said.slice(0, 1), ...failedProofs(report)];
}

function failedProofs({ proofs }: DrillReport): readonly string[] {
  return proofs.filter(({ holds }) => !holds).map(({ what, seen }) => `${what}: ${seen}`);
}
