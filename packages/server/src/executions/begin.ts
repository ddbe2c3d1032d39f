/** How work begins under a key, and goes on as the next execution of it. */
import type { InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Actor } from "../http/actor.ts";
import type { Json } from "../json/canonical.ts";
import type { Db, Query, Tx } from "../store/database.ts";
import { requireOwnSession } from "../store/own-session.ts";
import { newUuid, type World } from "../world.ts";
import {
  beginningOf,
  type Chosen,
  type Door,
  type Execution,
  requireMade,
  requirePast,
} from "./execution.ts";
import { insertExecution, lockLast, moveExecution, requireExecution } from "./execution-store.ts";
import type { ReleaseSample } from "./release-sample.ts";

export interface Begin {
  readonly id: string | null;
  readonly environment: string;
  readonly artifact: string;
  readonly key: string;
  readonly target: string;
  readonly door: Door;
  readonly agent: string | null;
  readonly session: string | null;
  readonly dimensions: Readonly<Record<string, string>> | null;
  readonly input: Json;
  readonly expireMs: number;
  readonly late: (Chosen & { readonly begunAt: Date }) | null;
}

export interface ExecutionDeskDeps {
  readonly db: Db;
  readonly world: World;
  /** What the target gets of the artifact now; null where it is not pinned. */
  chosenFor(environment: string, artifact: string, target: string): Promise<Chosen | null>;
  policyOf(artifact: string): Promise<InFlightPolicy | null>;
  /** Faults `not_found`. */
  requireRelease(artifact: string, version: string): Promise<void>;
  /** Of the environment's last pin; 0 where nothing was pinned. */
  epochOf(environment: string): Promise<number>;
  observe(samples: readonly ReleaseSample[]): void;
}

/** What was begun while we were away, as it is kept. Faults `not_found`, and `bad_input` for what cannot have been. */
export async function requireLate(
  { world, requireRelease, epochOf }: ExecutionDeskDeps,
  { artifact, environment }: Pick<Begin, "artifact" | "environment">,
  { version, epoch, begunAt }: NonNullable<Begin["late"]>,
): Promise<NonNullable<Begin["late"]>> {
  await requireRelease(artifact, version);
  requireMade(epoch, await epochOf(environment), environment);
  return { version, epoch, begunAt: requirePast(begunAt, world.now(), "late.begunAt") };
}

export async function requireChosen(
  { chosenFor }: ExecutionDeskDeps,
  { environment, artifact, target }: Pick<Begin, "environment" | "artifact" | "target">,
): Promise<Chosen> {
  const chosen = await chosenFor(environment, artifact, target);
  if (chosen !== null) return chosen;
  throw new Fault(
    "not_found",
    `${artifact} is not pinned in ${environment}: see \`lastgood pins list\`, or deploy it.`,
    { context: { environment, artifact } },
  );
}

export async function beginIn(
  tx: Tx,
  deps: ExecutionDeskDeps,
  actor: Actor,
  wanted: Begin,
  chosen: Chosen,
): Promise<{ go: "run" | "done"; execution: Execution }> {
  const { id, session, late, expireMs } = wanted;
  // What was begun while we were away counts as begun, also of a session that is over since.
  const own = actor.role === "agent" ? actor.agent : null;
  const named = session === null || late !== null ? null : session;
  const agent = named === null ? wanted.agent : (await requireOwnSession(tx, named, own)).agent;
  for (;;) {
    const last = await lockLast(tx, wanted);
    const beginning = beginningOf(last, { id, agent, session });
    if (last !== null && beginning.begin === "done") return { go: "done", execution: last };
    if (last !== null && beginning.begin === "again") return { go: "run", execution: last };
    if (beginning.begin === "next") {
      const next = { ...chosen, id, session, state: "retried", expireMs } as const;
      const { after } = beginning;
      const { input, dimensions } = wanted;
      const execution = await goOn(tx, deps, { ...after, agent, dimensions }, next, input);
      return { go: "run", execution };
    }
    const { input, late: _late, expireMs: _expireMs, ...rest } = wanted;
    const begunAt = late?.begunAt ?? deps.world.now();
    const first = newExecution(deps.world, {
      ...{ ...rest, agent, ...released(chosen), id, begunAt, expireMs, attempt: 1 },
      previous: null,
    });
    if (await insertExecution(tx, { ...first, input })) return { go: "run", execution: first };
    // Somebody else was first under this key, or the id stands for something else already.
    if (id !== null) await requireFreeId(tx, id, wanted);
  }
}

function released({ version, epoch }: Chosen): Chosen {
  return { version, epoch };
}

/** Faults `already_exists` where the id names the begin of other work. */
async function requireFreeId(
  db: Query,
  id: string,
  { key, artifact, environment }: Pick<Begin, "key" | "artifact" | "environment">,
): Promise<void> {
  const rows = await db<{ key: string }[]>`
    select key from executions where id = ${id}
      and (key, artifact, environment) is distinct from (${key}, ${artifact}, ${environment})`;
  if (rows.length === 0) return;
  throw new Fault(
    "already_exists",
    `${id} is an execution of other work: name each begin anew (\`exe_\` and 32 hex digits of chance).`,
    { context: { path: "id" } },
  );
}

/** E1. The next execution of the key, under another release or once more. */
export async function goOn(
  tx: Tx,
  { world }: Pick<ExecutionDeskDeps, "world">,
  before: Execution,
  next: Chosen & {
    readonly id?: string | null;
    readonly session: string | null;
    readonly state: "switched" | "retried";
    readonly expireMs: number;
  },
  input: Json = null,
): Promise<Execution> {
  const at = world.now();
  const { environment, artifact, key, target, agent, dimensions, door, attempt } = before;
  const execution = newExecution(world, {
    ...{ environment, artifact, key, target, agent, dimensions, door, ...released(next) },
    ...{ id: next.id ?? null, session: next.session, begunAt: at, expireMs: next.expireMs },
    ...{ attempt: attempt + 1, previous: before.id },
  });
  const kept = input ?? (await requireExecution(tx, before.id)).input;
  if (!(await insertExecution(tx, { ...execution, input: kept }))) {
    throw new Fault(
      "already_exists",
      `${execution.id} is an execution already: name each begin anew.`,
      { context: { path: "id" } },
    );
  }
  const endedAt = before.endedAt ?? at;
  const { error } = before;
  await moveExecution(tx, before.id, { state: next.state, endedAt, error, next: execution.id });
  return execution;
}

interface Fresh
  extends Pick<
    Execution,
    | "environment"
    | "artifact"
    | "key"
    | "attempt"
    | "target"
    | "version"
    | "epoch"
    | "door"
    | "agent"
    | "session"
    | "dimensions"
    | "previous"
    | "begunAt"
  > {
  readonly id: string | null;
  readonly expireMs: number;
}

function newExecution(world: World, { id, expireMs, ...fresh }: Fresh): Execution {
  return {
    ...fresh,
    id: id ?? `exe_${newUuid(world).replaceAll("-", "")}`,
    state: "running",
    ...{ outputDigest: null, error: null, spared: null, next: null, mirrorOf: null, score: null },
    endedAt: null,
    ...{ expiresAt: new Date(world.now().getTime() + expireMs), expireMs },
  };
}
