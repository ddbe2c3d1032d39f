/**
 * How executions begin, go on and end, each under the lock of its row. What ends is a sample of its release.
 */
import type { InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { Json } from "../json/canonical.ts";
import type { Tx } from "../store/database.ts";
import { requireOwnSession } from "../store/own-session.ts";
import {
  type Begin,
  beginIn,
  type ExecutionDeskDeps,
  goOn,
  requireChosen,
  requireLate,
} from "./begin.ts";
import {
  type Chosen,
  type Execution,
  goingOn,
  requireEnd,
  requireMayEnd,
  type WholeExecution,
} from "./execution.ts";
import {
  irreversibleUnderWay,
  lockExecution,
  lockWaiting,
  moveExecution,
  noteStep,
  requireExecution,
  saveOutput,
} from "./execution-store.ts";
import { digestOf } from "./output-digest.ts";
import { endSamples } from "./release-sample.ts";

export interface Ending {
  readonly state: "finished" | "failed";
  readonly error: string | null;
  /** Undefined: it is not said. */
  readonly output: Json | undefined;
  /** False: only its digest is kept. */
  readonly keepOutput: boolean;
  readonly at: Date | null;
}

export interface ExecutionDesk {
  begin(actor: Actor, wanted: Begin): Promise<{ go: "run" | "done"; execution: Execution }>;
  step(
    actor: Actor,
    id: string,
  ): Promise<{ go: "on" | "switch" | "cancelled"; execution: Execution }>;
  end(actor: Actor, id: string, ending: Ending): Promise<Execution>;
  take(actor: Actor, wanted: Take): Promise<readonly WholeExecution[]>;
}

export interface Take {
  readonly environment: string;
  readonly artifact: string;
  readonly agent: string | null;
  readonly session: string | null;
  readonly limit: number;
}

const takenExpireMs = 3_600_000;

export function createExecutionDesk(deps: ExecutionDeskDeps): ExecutionDesk {
  const { db, world, observe } = deps;
  return {
    async begin(actor, wanted) {
      const late = wanted.late === null ? null : await requireLate(deps, wanted, wanted.late);
      const chosen = late ?? (await requireChosen(deps, wanted));
      return await db.begin((tx) => beginIn(tx, deps, actor, { ...wanted, late }, chosen));
    },
    async step(actor, id) {
      const before = await requireExecution(db, id);
      const chosen = await deps.chosenFor(before.environment, before.artifact, before.target);
      const policy = await deps.policyOf(before.artifact);
      return await db.begin((tx) => stepIn(tx, deps, { actor, id, chosen, policy }));
    },
    async end(actor, id, ending) {
      const ended = await db.begin((tx) => endIn(tx, deps, actor, id, ending));
      // The gateway tells of its requests itself.
      const isToldElsewhere = ended.execution.door === "gateway";
      if (ended.changed && !isToldElsewhere) observe(endSamples(ended.execution, world.now()));
      return ended.execution;
    },
    async take(actor, wanted) {
      const agent = actor.role === "agent" ? actor.agent : wanted.agent;
      return await db.begin(async (tx) => {
        if (wanted.session !== null) await requireOwnSession(tx, wanted.session, agent);
        const taken: WholeExecution[] = [];
        for (const waiting of await lockWaiting(tx, { ...wanted, agent })) {
          const next = await goOn(tx, deps, waiting, {
            ...(await requireChosen(deps, waiting)),
            ...{ session: wanted.session, state: "retried", expireMs: takenExpireMs },
          });
          taken.push({ ...next, input: waiting.input, output: null });
        }
        return taken;
      });
    },
  };
}

async function stepIn(
  tx: Tx,
  deps: ExecutionDeskDeps,
  {
    actor,
    id,
    chosen,
    policy,
  }: { actor: Actor; id: string; chosen: Chosen | null; policy: InFlightPolicy | null },
): Promise<{ go: "on" | "switch" | "cancelled"; execution: Execution }> {
  const execution = await lockExecution(tx, id);
  requireOwn(actor, execution);
  // A step whose answer was lost is answered once more.
  if (execution.state === "switched" && execution.next !== null) {
    return { go: "switch", execution: await lockExecution(tx, execution.next) };
  }
  if (execution.state === "cancelled" || execution.state === "retried") {
    return { go: "cancelled", execution };
  }
  if (execution.state !== "running") {
    throw new Fault(
      "state_forbids",
      `${id} is ${execution.state}: it takes no further steps. Begin again by its key.`,
      { context: { execution: id, state: execution.state } },
    );
  }
  if (execution.session !== null) await requireOwnSession(tx, execution.session, null);
  const irreversible = await irreversibleUnderWay(tx, execution.session);
  const going = goingOn(execution, policy, chosen, irreversible);
  const now = deps.world.now();
  const { expireMs } = execution;
  if (going.go === "switch") {
    const { session } = execution;
    const next = { ...going.to, session, state: "switched", expireMs } as const;
    return { go: "switch", execution: await goOn(tx, deps, execution, next) };
  }
  if (going.go === "cancel") {
    const cancelled = {
      state: "cancelled",
      endedAt: now,
      error: going.because,
      next: null,
    } as const;
    await moveExecution(tx, id, cancelled);
    return { go: "cancelled", execution: { ...execution, ...cancelled } };
  }
  const expiresAt = new Date(now.getTime() + expireMs);
  const { spared } = going;
  await noteStep(tx, id, { spared, expiresAt });
  return { go: "on", execution: { ...execution, spared: spared ?? execution.spared, expiresAt } };
}

async function endIn(
  tx: Tx,
  { world }: ExecutionDeskDeps,
  actor: Actor,
  id: string,
  { state, error, output, keepOutput, at }: Ending,
): Promise<{ readonly execution: Execution; readonly changed: boolean }> {
  const execution = await lockExecution(tx, id);
  requireOwn(actor, execution);
  if (execution.state === state) return { execution, changed: false };
  requireMayEnd(execution);
  const now = world.now();
  const endedAt = at === null ? now : requireEnd(execution, at, now);
  const move = { state, error, endedAt, next: null };
  await moveExecution(tx, id, move);
  let { outputDigest } = execution;
  if (output !== undefined) {
    outputDigest = digestOf(output);
    await saveOutput(tx, id, { output: keepOutput ? output : null, digest: outputDigest });
  }
  return { execution: { ...execution, ...move, outputDigest }, changed: true };
}

/** An agent speaks for its own executions; people for all. */
function requireOwn(actor: Actor, { id, agent }: Execution): void {
  if (actor.role !== "agent" || agent === actor.agent) return;
  throw new Fault(
    "not_yours",
    `${id} is an execution of ${agent ?? "nobody known"} and not of ${nameOf(actor)}: name one of your own.`,
  );
}
