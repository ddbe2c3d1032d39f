import { type Call, segment } from "../call.ts";
import type { FaultCode } from "../fault.ts";
import type { JsonValue } from "./state.ts";

export type ExecutionState =
  | "running"
  | "finished"
  | "failed"
  | "switched"
  | "cancelled"
  | "requeued"
  | "retried";

/**
 * What may be done with an execution, by its state. `retry` makes the next one of the same key. What failed because
 * nobody was heard of in time may still end, too.
 */
export const executionActs = {
  step: ["running"],
  end: ["running", "cancelled"],
  retry: ["failed", "cancelled", "requeued"],
  requeue: ["failed"],
} as const satisfies Record<string, readonly ExecutionState[]>;
export type ExecutionAct = keyof typeof executionActs;

/** A piece of work done under one release. Done again, or gone on with under another, it is another one. */
export interface Execution {
  readonly id: string;
  readonly environment: string;
  readonly artifact: string;
  /** Names the work: within environment and artifact it is finished once. */
  readonly key: string;
  /** The how manieth of its key, from 1. */
  readonly attempt: number;
  /** What the release was chosen by, where the pin is split. */
  readonly target: string;
  readonly version: string;
  /** Of the pin that it was begun by. */
  readonly epoch: number;
  readonly state: ExecutionState;
  readonly door: "sdk" | "http" | "gateway" | "mirror";
  readonly agent: string | null;
  readonly session: string | null;
  readonly dimensions: Readonly<Record<string, string>>;
  /** Why it failed, was cancelled, or was finished without its output; stays when it is tried again. */
  readonly error: string | null;
  /** Why it went on under its release although its pin moved: an irreversible effect was under way. */
  readonly spared: string | null;
  readonly previous: string | null;
  /** The one that goes on with the work. */
  readonly next: string | null;
  /** The live request whose copy it is. */
  readonly mirrorOf: string | null;
  /** Of the last outcome: from 0 to 1. */
  readonly score: number | null;
  readonly begunAt: string;
  readonly endedAt: string | null;
}

export interface ExecutionOutcome {
  readonly at: string;
  readonly by: string;
  readonly score: number;
  readonly expected: JsonValue;
  readonly note: string;
}

export interface ExecutionDetails extends Execution {
  readonly input: JsonValue;
  readonly output: JsonValue;
  /** Newest first, at most 100. */
  readonly outcomes: readonly ExecutionOutcome[];
}

export interface NewExecution {
  readonly artifact: string;
  /** Of the work, such as the ticket's id. */
  readonly key: string;
  /** Of this begin, `exe_` and 32 hex digits: asking again with it changes nothing. */
  readonly id?: string | undefined;
  readonly environment?: string | undefined;
  /** Default: the key. */
  readonly target?: string | undefined;
  /** Only where the token is not an agent's own. */
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  /** At most 4. */
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
  /** At most 64 kB of JSON: what it takes to do it again, and to make a check of it. */
  readonly input?: JsonValue | undefined;
  /** Who speaks here. Default `http`. */
  readonly door?: "sdk" | "http" | "gateway" | undefined;
  /** Unheard of for longer it has failed. Default an hour, at most 7 days; each step begins it anew. */
  readonly expireMs?: number | undefined;
  /** Of one that was begun while the server was away: the release that it was begun under, and when. */
  readonly late?:
    | { readonly version: string; readonly epoch: number; readonly begunAt: string }
    | undefined;
}

export interface ExecutionBegun {
  /** `done`: work under this key is finished already: do not do it again. */
  readonly go: "run" | "done";
  readonly execution: Execution;
}

export interface ExecutionStep {
  /**
   * `on`: go on. `switch`: go on under `execution`, which is a new one under the new pin. `cancelled`: stop,
   * and begin again by the key.
   */
  readonly go: "on" | "switch" | "cancelled";
  readonly execution: Execution;
}

export interface ExecutionEnd {
  readonly state: "finished" | "failed";
  /** Of a failed one: why. Of a finished one: why its output is not kept. */
  readonly error?: string | undefined;
  /** At most 64 kB of JSON; a megabyte where it is not kept. */
  readonly output?: JsonValue | undefined;
  /** Default true. False: only its digest is, so that the right answer can be compared with it. */
  readonly keepOutput?: boolean | undefined;
  /** Where it is told late. */
  readonly at?: string | undefined;
}

/** What turned out: a score from 0 to 1, or the right answer, which the output is compared with. */
export type NewOutcome = { readonly note?: string | undefined } & (
  | { readonly score: number; readonly expected?: JsonValue | undefined }
  | { readonly expected: JsonValue; readonly score?: undefined }
);

/** One of many outcomes that are told at once. */
export type OutcomeOfMany = NewOutcome & {
  /** The execution's id. */
  readonly execution: string;
};

/** What became of many outcomes. The counts and the refusals add up to what was told. */
export interface OutcomesTold {
  /** The first ones of their executions: they are samples of `quality`. */
  readonly taken: number;
  /** Something else was told of the execution before: the record is corrected. */
  readonly corrected: number;
  /** The very same was told before: nothing is written. */
  readonly known: number;
  /** In the order of what was told; all others are written. */
  readonly refused: readonly OutcomeRefused[];
}

export interface OutcomeRefused {
  /** Its place in what was told, from 0. */
  readonly index: number;
  /** Null where none was named. */
  readonly execution: string | null;
  readonly code: FaultCode;
  /** Such as `outcomes[3].score`. */
  readonly path: string;
  /** Why, and what to do now. */
  readonly detail: string;
}

export interface ExecutionQuery {
  readonly environment?: string | undefined;
  readonly artifact?: string | undefined;
  readonly version?: string | undefined;
  readonly state?: ExecutionState | undefined;
  readonly key?: string | undefined;
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  /** 1 to 1,000; default 100. Begun last comes first. */
  readonly limit?: number | undefined;
}

/** What became of all that were in flight when a pin moved. The counts add up to `inFlight`. */
export interface InFlightAccount {
  readonly environment: string;
  readonly artifact: string;
  /** Of the move. */
  readonly epoch: number;
  readonly at: string;
  readonly inFlight: number;
  readonly running: number;
  readonly finished: number;
  readonly switched: number;
  readonly retried: number;
  readonly failed: number;
  /** Cancelled or queued again, and not begun again yet. */
  readonly waiting: number;
  /** Of them all: not cancelled, because an irreversible effect was under way. */
  readonly spared: number;
}

export interface Requeue {
  readonly environment?: string | undefined;
  readonly artifact: string;
  /** The bad release: it must be pinned no more. */
  readonly version: string;
  /** Default: all that failed. At most 1,000. */
  readonly keys?: readonly string[] | undefined;
  readonly because?: string | undefined;
}

export interface Requeued {
  readonly requeued: number;
  /** At most 1,000 of them. */
  readonly keys: readonly string[];
}

export function executionsApi(call: Call) {
  const execution = (id: string) => `/v1/executions/${segment(id)}`;
  return {
    /** `target_busy` while another one of the key is running. */
    beginExecution: (wanted: NewExecution) =>
      call<ExecutionBegun>("POST", "/v1/executions", { body: wanted }),
    /** Before the next step of the work: under which release it goes on. */
    stepExecution: (id: string) => call<ExecutionStep>("POST", `${execution(id)}/step`),
    endExecution: (id: string, end: ExecutionEnd) =>
      call<Execution>("POST", `${execution(id)}/end`, { body: end }),
    /** May come days later, and for a part of them only. */
    tellOutcome: (id: string, outcome: NewOutcome) =>
      call<Execution>("POST", `${execution(id)}/outcome`, { body: outcome }),
    /**
     * What turned out of 1 to 1,000 executions, each taken or refused by itself, as `tellOutcome` would. Telling the
     * same again changes nothing: after a lost answer tell all of them once more.
     */
    tellOutcomes: (outcomes: readonly OutcomeOfMany[]) =>
      call<OutcomesTold>("POST", "/v1/outcomes", { body: { outcomes } }),
    executions: (query: ExecutionQuery = {}) =>
      call<{ readonly executions: readonly Execution[]; readonly more: boolean }>(
        "GET",
        "/v1/executions",
        { query: { ...query } },
      ),
    execution: (id: string) => call<ExecutionDetails>("GET", execution(id)),
    /** What failed under a bad release is to be done again, each once: `takeExecutions` hands it out. */
    requeueExecutions: (requeue: Requeue) =>
      call<Requeued>("POST", "/v1/executions/requeue", { body: requeue }),
    /** Begins what waits to be done again, under the release that is pinned now. */
    takeExecutions: (wanted: {
      readonly environment?: string | undefined;
      readonly artifact: string;
      readonly agent?: string | undefined;
      readonly session?: string | undefined;
      /** 1 to 100; default 1. */
      readonly limit?: number | undefined;
    }) =>
      call<{ readonly executions: readonly ExecutionDetails[] }>("POST", "/v1/executions/take", {
        body: { ...wanted },
      }),
    /** Of the last move of the pin, or of the one that made this epoch. */
    inFlightAccount: (
      env: string,
      artifact: string,
      query: { readonly epoch?: number | undefined } = {},
    ) =>
      call<InFlightAccount>(
        "GET",
        `/v1/environments/${segment(env)}/pins/${segment(artifact)}/account`,
        { query: { ...query } },
      ),
  };
}
