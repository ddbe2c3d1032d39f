/**
 * A tool as an agent sees it, and how its answers and failures reach the agent.
 *
 *   T1. Every tool says all four hints of itself. Hosts treat them as hints; we treat them as promises.
 *   T2. Whatever goes wrong is an answer with `isError`, beginning with the fault's code: nothing that a tool
 *       does ends the server.
 *   T3. An answer is what its schema says and no more: fields that a model has no use for cost it tokens.
 */
import type { CallToolResult, StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { z } from "zod";
import { Fault, type FaultCode, faults } from "../fault.ts";
import type { Caller } from "./caller.ts";

export interface Hints {
  /** It changes nothing. */
  readonly readOnlyHint: boolean;
  /** It may take away, end or overwrite; false: it only adds. */
  readonly destructiveHint: boolean;
  /** Calling it again with the same arguments changes nothing more. */
  readonly idempotentHint: boolean;
  /** It reaches beyond Lastgood, such as a git remote or what is served. */
  readonly openWorldHint: boolean;
}

export interface Tool<
  Input extends z.ZodObject = z.ZodObject,
  Output extends z.ZodObject = z.ZodObject,
> {
  readonly name: string;
  readonly title: string;
  /** When to use it, for a model that chooses by this text. */
  readonly description: string;
  readonly hints: Hints;
  readonly input: Input;
  readonly output: Output;
  run(input: z.output<Input>, caller: Caller, signal: AbortSignal): Promise<z.input<Output>>;
  /** The answer as text, where JSON says it badly. */
  says?(output: z.output<Output>): string;
}

/** Keeps the types of a tool's schemas together while it is written. */
export function tool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: Tool<Input, Output>,
): Tool {
  return definition;
}

/** Reads, and changes nothing. */
export const reads: Hints = {
  ...{ readOnlyHint: true, destructiveHint: false },
  ...{ idempotentHint: true, openWorldHint: false },
};
/** Adds something each time. */
export const adds: Hints = { ...reads, readOnlyHint: false, idempotentHint: false };
/** Adds something once, however often it is called. */
export const addsOnce: Hints = { ...adds, idempotentHint: true };

/** The arguments as JSON Schema for hosts; they are judged by `callTool`, so that every refusal has a code. */
export function advertised(schema: z.ZodObject): StandardSchemaWithJSON {
  const standard = schema["~standard"];
  return { "~standard": { ...standard, validate: (value) => ({ value }) } };
}

/** Calls the tool (T2). `report` hears of what is a bug. */
export async function callTool(
  definition: Tool,
  given: unknown,
  caller: Caller,
  signal: AbortSignal,
  report: (error: unknown) => void,
): Promise<CallToolResult> {
  try {
    const input = argumentsOf(definition, given);
    const output = definition.output.parse(await definition.run(input, caller, signal));
    const text = definition.says?.(output) ?? JSON.stringify(output);
    return { content: [{ type: "text", text }], structuredContent: output };
  } catch (error) {
    if (!(error instanceof Fault)) report(error);
    return failure(error);
  }
}

function argumentsOf({ name, input }: Tool, given: unknown): Record<string, unknown> {
  const parsed = input.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join("/")}: ${message}`,
  );
  throw new Fault("bad_input", `The arguments of ${name} are wrong: ${issues.join("; ")}.`);
}

/** What may be done about it, by whether the same call may succeed later. */
const advice = {
  never: "Calling it again as it is will not help.",
  later: "Call it again in a while.",
  "after-replanning": "The world has moved: read it again, and decide anew.",
} as const;

function failure(error: unknown): CallToolResult {
  const code: FaultCode = error instanceof Fault ? error.code : "internal";
  const says = error instanceof Error ? error.message : String(error);
  const { retry } = faults[code];
  const context = error instanceof Fault ? error.context : {};
  return {
    isError: true,
    content: [{ type: "text", text: `${code}: ${says} ${advice[retry]}` }],
    _meta: { "lastgood/fault": { ...context, code, retry } },
  };
}

/** Arrays as the SDK types them. */
export function list<Item extends z.ZodType>(
  item: Item,
): z.ZodType<readonly z.output<Item>[], readonly z.input<Item>[]> {
  return z.array(item);
}
