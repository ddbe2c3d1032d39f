/**
 * What turned out to be right. It may come days later, and for a part of the executions only.
 *
 *   O1. Only the first outcome of an execution is a sample of quality; later ones correct the record.
 *   O2. The right answer also judges the copies of the request that other releases were sent.
 *   O3. An outcome of what went on under another execution is that one's.
 */
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { Json } from "../json/canonical.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Execution } from "./execution.ts";
import { findByMirror, lockExecution } from "./execution-store.ts";
import { insertOutcome, lastOutcome, type Outcome } from "./outcome-store.ts";
import { digestOf } from "./output-digest.ts";
import { type ReleaseSample, releaseSample, releaseSignals } from "./release-sample.ts";

export interface Told {
  /** Null: by the right answer. */
  readonly score: number | null;
  /** Undefined: it is not said. */
  readonly expected: Json | undefined;
  readonly note: string;
}

export interface OutcomeDesk {
  tell(actor: Actor, id: string, told: Told): Promise<Execution>;
}

const chainMax = 1_000;

export function createOutcomeDesk({
  db,
  world,
  observe,
}: {
  readonly db: Db;
  readonly world: World;
  observe(samples: readonly ReleaseSample[]): void;
}): OutcomeDesk {
  return {
    async tell(actor, id, told) {
      const samples: ReleaseSample[] = [];
      const execution = await db.begin(async (tx) => {
        const judged = await lastOfChain(tx, id);
        const by = { by: nameOf(actor), at: world.now() };
        samples.push(...(await judge(tx, judged, told, by)));
        if (told.expected !== undefined) {
          for (const copy of await findByMirror(tx, judged.id)) {
            if (copy.outputDigest === null) continue;
            samples.push(...(await judge(tx, copy, { ...told, score: null }, by)));
          }
        }
        return await lockExecution(tx, judged.id);
      });
      observe(samples);
      return execution;
    },
  };
}

/** O3. */
async function lastOfChain(tx: Tx, id: string): Promise<Execution> {
  let execution = await lockExecution(tx, id);
  for (let step = 0; execution.state === "switched" && step < chainMax; step++) {
    if (execution.next === null) break;
    execution = await lockExecution(tx, execution.next);
  }
  return execution;
}

/** The sample that it makes, if any (O1). */
async function judge(
  tx: Tx,
  execution: Execution,
  { score, expected, note }: Told,
  { by, at }: { readonly by: string; readonly at: Date },
): Promise<readonly ReleaseSample[]> {
  const value = score ?? scoreBy(execution, expected ?? null);
  const outcome: Outcome = { at, by, score: value, expected: expected ?? null, note };
  const before = await lastOutcome(tx, execution.id);
  await insertOutcome(tx, execution.id, outcome);
  if (before !== null) return [];
  return [releaseSample(execution, releaseSignals.quality, at, { value })];
}

function scoreBy({ id, outputDigest }: Execution, expected: Json): number {
  if (outputDigest !== null) return outputDigest === digestOf(expected) ? 1 : 0;
  throw new Fault(
    "state_forbids",
    `${id} has no output that the right answer could be compared with: give a score with it.`,
    { context: { path: "score", execution: id } },
  );
}
