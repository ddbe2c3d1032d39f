/**
 * What turned out to be right. It may come days later, and for a part of the executions only.
 *
 *   O1. Only the first outcome of an execution is a sample of quality; later ones correct the record, and the very
 *       same once more changes nothing.
 *   O2. The right answer also judges the copies of the request that other releases were sent.
 *   O3. An outcome of what went on under another execution is that one's.
 *   O4. Many are told in a few statements, each as if it were told alone, in their order: one that is refused
 *       holds up no other.
 */
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Execution } from "./execution.ts";
import { missingExecution } from "./execution-store.ts";
import { type Telling, type Told, type Turned, tellingOf } from "./outcome.ts";
import {
  insertOutcomes,
  lastOfChains,
  lastOutcomes,
  lockCopies,
  lockExecutions,
  type NewOutcome,
  rightAnswers,
} from "./outcome-store.ts";
import { type ReleaseSample, releaseSample, releaseSignals } from "./release-sample.ts";

export interface ToldOf extends Told {
  /** The execution's id. */
  readonly execution: string;
}

/** What came of one. */
export type Came =
  | { readonly kind: Telling["kind"]; readonly execution: Execution }
  | { readonly kind: "refused"; readonly fault: Fault };

export interface OutcomeDesk {
  /** Answers in the order of what is told. */
  tell(actor: Actor, told: readonly ToldOf[]): Promise<readonly Came[]>;
  /** Copies of these requests have just come into the books: what was told before them judges them now. */
  judgeCopies(live: readonly string[]): Promise<void>;
}

export interface OutcomeDeskDeps {
  readonly db: Db;
  readonly world: World;
  observe(samples: readonly ReleaseSample[]): void;
  /** The right answers of these executions were told. Never waits, never throws. */
  turnedOut(ids: readonly string[]): void;
}

const triesMax = 5;

export function createOutcomeDesk({ db, world, observe, turnedOut }: OutcomeDeskDeps): OutcomeDesk {
  async function within<T>(act: (tx: Tx) => Promise<Written<T>>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        const { came, samples } = await db.begin(act);
        observe(samples);
        return came;
      } catch (error) {
        if (tries === triesMax || !isDeadlock(error)) throw error;
      }
    }
  }
  return {
    async tell(actor, told) {
      const came = await within((tx) => tellIn(tx, world, actor, told));
      turnedOut(
        came.flatMap((each, index) => {
          const isAnswered = each.kind !== "refused" && told[index]?.expected !== undefined;
          return isAnswered ? [each.execution.id] : [];
        }),
      );
      return came;
    },
    judgeCopies: (live) => within((tx) => judgeCopiesIn(tx, world, live)),
  };
}

interface Written<T> {
  readonly came: T;
  readonly samples: readonly ReleaseSample[];
}

/** Gateways lock executions in an order of their own: of two that wait for each other PostgreSQL ends one. */
function isDeadlock(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "40P01";
}

async function tellIn(
  tx: Tx,
  world: World,
  actor: Actor,
  told: readonly ToldOf[],
): Promise<Written<readonly Came[]>> {
  const { last, executions } = await lockJudged(tx, [
    ...new Set(told.map((each) => each.execution)),
  ]);
  const byId = new Map(executions.map((each) => [each.id, each]));
  const copies = await lockCopies(tx, [...byId.keys()]);
  const ids = [...executions, ...copies].map(({ id }) => id);
  const book = createBook(await lastOutcomes(tx, ids), world.now());
  const by = nameOf(actor);
  const copiesOf = Map.groupBy(copies, ({ mirrorOf }) => mirrorOf);
  const came = told.map(({ execution: id, ...what }): Came => {
    const execution = byId.get(last.get(id) ?? "");
    if (execution === undefined) return { kind: "refused", fault: missingExecution(id) };
    try {
      const kind = book.write(execution, { ...what, by });
      // O2.
      const judgedToo = what.expected === undefined ? [] : (copiesOf.get(execution.id) ?? []);
      for (const copy of judgedToo) {
        book.write(copy, { ...what, score: null, by }, execution.key);
      }
      return { kind, execution: { ...execution, score: book.scoreOf(execution) } };
    } catch (fault) {
      if (fault instanceof Fault) return { kind: "refused", fault };
      throw fault;
    }
  });
  await insertOutcomes(tx, book.outcomes);
  return { came, samples: book.samples };
}

/** O2. Copies that were judged by what was told since they came are judged already. */
async function judgeCopiesIn(
  tx: Tx,
  world: World,
  live: readonly string[],
): Promise<Written<void>> {
  const keys = new Map((await lockExecutions(tx, live)).map(({ id, key }) => [id, key]));
  const copies = await lockCopies(tx, live);
  const judged = await lastOutcomes(
    tx,
    copies.map(({ id }) => id),
  );
  const answers = await rightAnswers(tx, live);
  const book = createBook(judged, world.now());
  for (const copy of copies) {
    const { mirrorOf } = copy;
    const answer = mirrorOf === null ? undefined : answers.get(mirrorOf);
    if (mirrorOf === null || answer === undefined || judged.has(copy.id)) continue;
    book.write(copy, { ...answer, score: null }, keys.get(mirrorOf));
  }
  await insertOutcomes(tx, book.outcomes);
  return { came: undefined, samples: book.samples };
}

/** O3. What goes on while its lock is waited for is looked up once more. */
async function lockJudged(
  tx: Tx,
  ids: readonly string[],
): Promise<{
  /** Of each id, the execution that went on with it last. */
  readonly last: ReadonlyMap<string, string>;
  readonly executions: readonly Execution[];
}> {
  for (let tries = 1; ; tries++) {
    const last = await lastOfChains(tx, ids);
    const executions = await lockExecutions(tx, [...new Set(last.values())]);
    const hasMoved = executions.some(({ state, next }) => state === "switched" && next !== null);
    if (!hasMoved || tries === triesMax) return { last, executions };
  }
}

/** What is to be written, and what it tells of the releases. */
interface Book {
  readonly outcomes: readonly NewOutcome[];
  readonly samples: readonly ReleaseSample[];
  /** `key`: of the work, where it is another execution's. */
  write(execution: Execution, told: Told & By, key?: string): Telling["kind"];
  scoreOf(execution: Execution): number | null;
}

interface By {
  readonly by: string;
}

function createBook(before: ReadonlyMap<string, Turned>, at: Date): Book {
  const last = new Map(before);
  const outcomes: NewOutcome[] = [];
  const samples: ReleaseSample[] = [];
  return {
    ...{ outcomes, samples },
    scoreOf: ({ id, score }) => last.get(id)?.score ?? score,
    write(execution, { by, ...told }, key = execution.mirrorOf ?? execution.key) {
      const telling = tellingOf(execution, told, last.get(execution.id) ?? null);
      if (telling.kind === "known") return "known";
      const { turned } = telling;
      outcomes.push({ ...turned, execution: execution.id, by, at });
      last.set(execution.id, turned);
      // O1.
      if (telling.kind === "taken") {
        const { quality } = releaseSignals;
        samples.push(releaseSample({ ...execution, key }, quality, at, { value: turned.score }));
      }
      return telling.kind;
    },
  };
}
