/**
 * What passed, on its way to whoever keeps it: gathered for a moment and told together. While nobody takes it,
 * the newest 10,000 are kept, and what had to go is counted.
 */
import type { GatewayReport } from "@lastgood/sdk";
import type { Logger } from "pino";
import { Fault, faults } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";

export type ReportedSample = GatewayReport["samples"][number];
export type ReportedExecution = GatewayReport["executions"][number];

export interface Reports {
  /** Never waits, never throws. */
  tell(report: GatewayReport): void;
  counts(): ReportCounts;
  /** Tells what is left, and answers with what nobody took. */
  stop(): Promise<GatewayReport>;
}

export interface ReportCounts {
  readonly buffered: number;
  readonly dropped: number;
  readonly executionsBuffered: number;
  readonly executionsDropped: number;
  /** Inputs and outputs that were left out because too many waited. */
  readonly contentsDropped: number;
  /** Single ones that whoever takes them refused for good. */
  readonly refused: number;
}

const everyMs = 200;
const keptMax = 10_000;
const contentBytesMax = 16_777_216;
const atOnce = { samples: 2_000, executions: 500 } as const;

export function startReports({
  send,
  log,
}: {
  /** Rejects where nobody takes it: it is kept, and sent again. */
  send(report: GatewayReport): Promise<void>;
  readonly log: Logger;
}): Reports {
  let samples: ReportedSample[] = [];
  let executions: ReportedExecution[] = [];
  let contentBytes = 0;
  const dropped = { samples: 0, executions: 0, contents: 0, refused: 0 };
  let isAway = false;

  /** Said when it begins and when it is over, and not at every try. */
  function noteAway(error: unknown): void {
    if (!isAway)
      log.warn({ err: error }, "nobody takes what passed: it is kept, the newest 10,000");
    isAway = true;
  }

  function noteBack(): void {
    if (isAway) log.warn({ dropped: dropped.samples }, "what passed is taken again");
    isAway = false;
  }

  function bound(): void {
    const excess = Math.max(0, samples.length - keptMax);
    if (excess > 0) samples = samples.slice(excess);
    dropped.samples += excess;
    const more = Math.max(0, executions.length - keptMax);
    for (const each of executions.slice(0, more)) contentBytes -= bytesOf(each);
    if (more > 0) executions = executions.slice(more);
    dropped.executions += more;
  }

  /** What is refused for good is found by halves, and left out: one must not hold up all the others. */
  async function sendApart(report: GatewayReport): Promise<void> {
    try {
      await send(report);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const halves = halvesOf(report);
      for (const half of halves) await sendApart(half);
      if (halves.length > 0) return;
      dropped.refused += 1;
      log.error({ err: error }, "what passed was refused, and is left out");
    }
  }

  /** True: there was more than fits at once. */
  async function sendSome(): Promise<boolean> {
    const some = {
      samples: samples.slice(0, atOnce.samples),
      executions: executions.slice(0, atOnce.executions),
    };
    if (some.samples.length + some.executions.length === 0) return false;
    samples = samples.slice(some.samples.length);
    executions = executions.slice(some.executions.length);
    try {
      await sendApart(some);
    } catch (error) {
      samples = [...some.samples, ...samples];
      executions = [...some.executions, ...executions];
      bound();
      noteAway(error);
      throw error;
    }
    noteBack();
    for (const each of some.executions) contentBytes -= bytesOf(each);
    return samples.length + executions.length > 0;
  }

  async function run(signal: AbortSignal): Promise<void> {
    while ((await sendSome()) && !signal.aborted);
  }

  const quiet = log.child({}, { level: "silent" });
  const loop: Loop = startLoop({ name: "gateway.reports", everyMs, log: quiet, run });
  return {
    tell(report) {
      samples.push(...report.samples);
      for (const execution of report.executions) {
        const bytes = bytesOf(execution);
        const fits = contentBytes + bytes <= contentBytesMax;
        if (!fits) dropped.contents += 1;
        else contentBytes += bytes;
        executions.push(fits ? execution : withoutContent(execution));
      }
      bound();
    },
    counts: () => ({
      ...{ buffered: samples.length, dropped: dropped.samples },
      ...{ executionsBuffered: executions.length, executionsDropped: dropped.executions },
      ...{ contentsDropped: dropped.contents, refused: dropped.refused },
    }),
    async stop() {
      await loop.stop();
      // Whoever takes it may be away: what is left is the caller's then.
      await run(new AbortController().signal).catch(noteAway);
      return { samples, executions };
    },
  };
}

/** Each smaller than the whole; none of a single one. */
function halvesOf({ samples, executions }: GatewayReport): readonly GatewayReport[] {
  if (samples.length + executions.length <= 1) return [];
  if (samples.length > 0 && executions.length > 0) {
    return [
      { samples, executions: [] },
      { samples: [], executions },
    ];
  }
  const [half, middle] = [Math.ceil(samples.length / 2), Math.ceil(executions.length / 2)];
  return [
    { samples: samples.slice(0, half), executions: executions.slice(0, middle) },
    { samples: samples.slice(half), executions: executions.slice(middle) },
  ];
}

const mended: ReadonlySet<string> = new Set([
  ...["unauthenticated", "token_expired", "contained", "forbidden", "not_found", "internal"],
]);

/** Whether the very same would be refused again: by the schema, or by PostgreSQL for what it says. */
function isRefusal(error: unknown): boolean {
  if (error instanceof Fault)
    return faults[error.code].retry === "never" && !mended.has(error.code);
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && /^2[23]/.test(code);
}

function bytesOf({ input, output }: ReportedExecution): number {
  if (input === undefined && output === undefined) return 0;
  return JSON.stringify([input ?? null, output ?? null]).length;
}

function withoutContent(execution: ReportedExecution): ReportedExecution {
  const { input: _input, output: _output, ...rest } = execution;
  return rest;
}
