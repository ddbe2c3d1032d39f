/**
 * Runs a service's check along a line of revisions, in sandboxes, until it is known which one first
 * fails, or nothing more can be learned, or the time is up.
 *
 *   N1. At most `lanes` sandboxes are at work at a time, each in a lane of its own. All are closed by
 *       `closed`, which nobody who only wants the answer has to wait for.
 *   N2. A lane stays in its sandbox while that teaches more for its cost than opening another would.
 *   N3. Every run is handed to `onRun` before the next one is chosen: a restart repeats none.
 *   N4. A sandbox that cannot be opened at all says nothing of its revision; the second failure ends it.
 */
import type { CheckRun, Sandbox, Sandboxes } from "../sandbox/sandbox.ts";
import { believe, chooseRevision, isSettled, type Line, withRun } from "./bisection.ts";

export interface RerunRequest {
  readonly service: string;
  /** Null: there is no such revision (the parent of a root commit), and it is never chosen. */
  readonly revisions: readonly (string | null)[];
  readonly line: Line;
  /** What served while all was calm; null: not known. Each revision starts over its database. */
  readonly servedBefore: string | null;
  readonly sandboxes: Sandboxes;
  /** How likely each suspect is by everything but the reruns, as it stands now. */
  weights(): readonly number[];
  /**
   * Where earlier incidents lead, the likeliest first: that revision and the one before it are run before any
   * other, for as long as they agree with the lead. What the runs have shown is judged as ever.
   */
  readonly leads?: readonly number[];
  onRun(position: number, run: CheckRun): Promise<void>;
  readonly signal: AbortSignal;
}

export interface RerunEnd {
  readonly line: Line;
  readonly why: "settled" | "learned-all" | "time" | "no-sandbox";
  readonly says: string;
  /** When every sandbox is gone. */
  readonly closed: Promise<void>;
}

const lanes = 2;
const openingCost = 2;
const runsMax = 80;
const failuresMax = 2;

export async function rerun(request: RerunRequest): Promise<RerunEnd> {
  const board = new Board(request);
  const ended = await Promise.allSettled(Array.from({ length: lanes }, () => board.runLane()));
  const broken = ended.find((each) => each.status === "rejected");
  const closed = board.closed();
  // Whoever awaits it hears of a failure; until then it is nobody's unhandled rejection.
  closed.catch(() => {});
  if (broken === undefined) return { ...board.end(), closed };
  await closed;
  throw broken.reason;
}

interface Held {
  readonly position: number;
  readonly sandbox: Sandbox;
}

class Board {
  readonly #request: RerunRequest;
  /** Aborts what is under way once its answer no longer matters. */
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  #line: Line;
  #runs = 0;
  readonly #failures: string[] = [];
  readonly #closing: Promise<void>[] = [];
  /** Positions at which a lane is at work now. */
  readonly #underWay = new Set<number>();
  /** Resolved and renewed whenever a lane learned something: an idle lane looks again then. */
  #learned = Promise.withResolvers<void>();

  constructor(request: RerunRequest) {
    this.#request = request;
    this.#signal = AbortSignal.any([request.signal, this.#over.signal]);
    this.#line = request.line;
    if (this.#isOver()) this.#over.abort();
  }

  async runLane(): Promise<void> {
    let held: Held | null = null;
    try {
      while (!this.#signal.aborted) {
        const position = this.#choose(held?.position ?? null);
        if (position === null) {
          if (this.#underWay.size === 0) return;
          await this.#learned.promise;
          continue;
        }
        this.#underWay.add(position);
        if (held !== null && held.position !== position) {
          this.#close(held);
          held = null;
        }
        held ??= await this.#open(position);
        const run = held === null ? null : await this.#check(held);
        if (run !== null) await this.#take(position, run);
        this.#leave(position);
      }
    } finally {
      this.#over.abort();
      this.#learned.resolve();
      if (held !== null) this.#close(held);
    }
  }

  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  end(): Omit<RerunEnd, "closed"> {
    const line = this.#line;
    if (isSettled(line, believe(line))) {
      return { line, why: "settled", says: "the reruns agree" };
    }
    if (this.#failures.length >= failuresMax) {
      const says = `no sandbox could be opened: ${this.#failures.at(-1) ?? ""}`.slice(0, 500);
      return { line, why: "no-sandbox", says };
    }
    if (this.#request.signal.aborted) {
      return { line, why: "time", says: "the time for reruns was up" };
    }
    return { line, why: "learned-all", says: "further reruns would teach nothing" };
  }

  #close({ sandbox }: Held): void {
    const closing = Promise.resolve(sandbox[Symbol.asyncDispose]());
    closing.catch(() => {});
    this.#closing.push(closing);
  }

  #isOver(): boolean {
    return (
      this.#runs >= runsMax ||
      this.#failures.length >= failuresMax ||
      isSettled(this.#line, believe(this.#line))
    );
  }

  #choose(held: number | null): number | null {
    this.#line = { ...this.#line, weights: this.#request.weights() };
    const costs = {
      open: new Set(held === null ? [] : [held]),
      underWay: [...this.#underWay],
      opening: openingCost,
    };
    const pair = this.#ledPair();
    if (pair === null) return chooseRevision(this.#line, costs);
    const led = chooseRevision(this.#line, costs, pair);
    // Where the pair is run enough, and still nobody is convicted, it is looked for everywhere.
    return led === null && this.#underWay.size === 0 ? chooseRevision(this.#line, costs) : led;
  }

  /** The first lead that nothing speaks against: red with it, and green without. */
  #ledPair(): ReadonlySet<number> | null {
    const { tallies } = this.#line;
    const led = this.#request.leads?.find(
      (position) => tallies[position]?.good === 0 && tallies[position - 1]?.bad === 0,
    );
    return led === undefined ? null : new Set([led, led - 1]);
  }

  async #open(position: number): Promise<Held | null> {
    const { sandboxes, service, revisions, servedBefore } = this.#request;
    const revision = revisions[position];
    if (revision === null || revision === undefined) {
      throw new Error(`position ${position} of the line has no revision`);
    }
    const after = servedBefore ?? undefined;
    try {
      return { position, sandbox: await sandboxes.open(service, revision, this.#signal, after) };
    } catch (error) {
      return this.#failed(position, error);
    }
  }

  async #check({ position, sandbox }: Held): Promise<CheckRun | null> {
    try {
      const run = await sandbox.check(this.#signal);
      // A check that was cut off says nothing.
      return this.#signal.aborted ? null : run;
    } catch (error) {
      return this.#failed(position, error);
    }
  }

  async #take(position: number, run: CheckRun): Promise<void> {
    this.#runs += 1;
    this.#line = withRun(this.#line, position, run.outcome);
    await this.#request.onRun(position, run);
  }

  #leave(position: number): void {
    this.#underWay.delete(position);
    if (this.#isOver()) this.#over.abort();
    this.#learned.resolve();
    this.#learned = Promise.withResolvers<void>();
  }

  #failed(position: number, error: unknown): null {
    if (this.#signal.aborted) return null;
    this.#failures.push(error instanceof Error ? error.message : String(error));
    this.#line = withRun(this.#line, position, "cannot-tell");
    return null;
  }
}
