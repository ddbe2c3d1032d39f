/**
 * What passed, on its way to whoever keeps it: gathered for a moment and told together. While nobody takes it,
 * the newest 10,000 are kept, and what had to go is counted.
 */
import type { GatewayReport } from "@lastgood/sdk";
import type { Logger } from "pino";
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
  const dropped = { samples: 0, executions: 0, contents: 0 };
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
      await send(some);
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
      contentsDropped: dropped.contents,
    }),
    async stop() {
      await loop.stop();
      // Whoever takes it may be away: what is left is the caller's then.
      await run(new AbortController().signal).catch(noteAway);
      return { samples, executions };
    },
  };
}

function bytesOf({ input, output }: ReportedExecution): number {
  if (input === undefined && output === undefined) return 0;
  return JSON.stringify([input ?? null, output ?? null]).length;
}

function withoutContent(execution: ReportedExecution): ReportedExecution {
  const { input: _input, output: _output, ...rest } = execution;
  return rest;
}
