/**
 * `npm run drills:mutations [-- NAME...]`: runs a drill over a Lastgood that is broken in one place, once for
 * each, and says whether what should catch it did. A drill that fails for any other
 * reason (its patience ran out, the mutant or the server broke) has caught nothing. Exits 1 unless every
 * mutation was caught.
 *
 *     KEEP=folder   leave each world and its server's log there, under the mutation's name
 *     TOLD=1        print what happens as it happens
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { mutantBroke } from "../packages/server/test/drills/mutated-layer.ts";
import type { Mutation } from "../packages/server/test/drills/mutation.ts";
import {
  type Drilled,
  judgeMutation,
  type MutationVerdict,
} from "../packages/server/test/drills/mutation-verdict.ts";
import { mutations, requireMutation } from "../packages/server/test/drills/mutations.ts";

const root = resolve(import.meta.dirname, "..");
const program = join(root, "packages/server/test/drills/mutated-program.ts");
const drillMsMax = 300_000;
const words = {
  caught: "caught",
  "not-caught": "NOT CAUGHT",
  "failed-otherwise": "FAILED OTHERWISE",
} as const satisfies Record<MutationVerdict["kind"], string>;

const named = process.argv.slice(2);
const chosen = named.length === 0 ? mutations : named.map(requireMutation);
let caught = 0;
for (const mutation of chosen) {
  const began = performance.now();
  const verdict = judgeMutation(mutation.caughtBy, await drill(mutation));
  if (verdict.kind === "caught") caught++;
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(
    `${mutation.name.padEnd(34)} ${words[verdict.kind].padEnd(16)} ${seconds.padStart(6)} s`,
  );
  console.log(`    ${mutation.what}`);
  for (const line of linesOf(verdict)) console.log(`    - ${line}`);
}
console.log(`${caught} of ${chosen.length} mutations were caught by what should catch them.`);
console.log(
  "September writes no documents: half and idle state layers are its own tests' to catch.",
);
process.exitCode = caught === chosen.length ? 0 : 1;

async function drill({ name, story }: Mutation): Promise<Drilled> {
  const { KEEP, TOLD, DATABASE_URL } = process.env;
  const folder =
    KEEP === undefined ? await mkdtemp(join(tmpdir(), "lastgood-mutation-")) : join(KEEP, name);
  try {
    const report = await story.drill.run({
      seed: story.seed,
      variant: story.variant,
      again: story.again === true,
      ...(story.patienceMs === undefined ? {} : { patienceMs: story.patienceMs }),
      keep: folder,
      databaseUrl: DATABASE_URL ?? null,
      natsUrl: null,
      program: [process.execPath, ...process.execArgv, program, "--mutation", name],
      told: ({ actor, event }) => {
        if (TOLD === "1") console.error(`${actor}: ${event}`);
      },
      signal: AbortSignal.timeout(drillMsMax),
    });
    return { kind: "reported", report, mutantThrew: await brokenMutant(folder) };
  } catch (error) {
    return { kind: "threw", because: String(error).slice(0, 500) };
  } finally {
    if (KEEP === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** The server logs a turn of a recovery that threw, and takes it up again: only its log tells. */
async function brokenMutant(folder: string): Promise<string | null> {
  const log = await readFile(join(folder, "server.log"), "utf8");
  const line = log.split("\n").find((each) => each.includes(mutantBroke));
  return line === undefined ? null : line.slice(line.indexOf(mutantBroke)).slice(0, 300);
}

function linesOf(verdict: MutationVerdict): readonly string[] {
  if (verdict.kind === "not-caught") return [];
  return verdict.kind === "caught" ? verdict.by : verdict.because;
}
