import type { OutcomeRefused, OutcomesTold } from "@lastgood/sdk";
import { z } from "zod";
import { Fault, type FaultCode, faults } from "../fault.ts";
import type { App } from "../http/app.ts";
import { jsonWithin } from "../json/json-within.ts";
import { inputBytesMax } from "./execution.ts";
import { executionId, executionSchema, plain, toApi } from "./execution-schemas.ts";
import { outcomesMax } from "./outcome.ts";
import type { Came, OutcomeDesk, ToldOf } from "./outcome-desk.ts";

const tags = ["executions"];
const batchBytesMax = 8_388_608;

const shape = {
  score: z.number().min(0).max(1).optional(),
  expected: z.unknown().optional(),
  note: plain(0, 2_000).default(""),
};
const saysNothing = "an outcome has a `score` from 0 to 1, or the right answer as `expected`";
const saysSomething = ({ score, expected }: { score?: number | undefined; expected?: unknown }) =>
  score !== undefined || expected !== undefined;
const outcomeSchema = z.strictObject(shape).refine(saysSomething, saysNothing);
const oneOfMany = z
  .strictObject({ execution: executionId, ...shape })
  .refine(saysSomething, saysNothing);

const { $schema: _schema, ...described } = z.toJSONSchema(oneOfMany, { io: "input" });
/** Each is held to its form by itself: one that is none holds up no other. */
const manySchema = z.strictObject({
  outcomes: z.array(z.unknown().meta(described)).min(1).max(outcomesMax),
});
const code = z.enum(Object.keys(faults) as [FaultCode, ...FaultCode[]]);
const toldSchema: z.ZodType<OutcomesTold> = z.object({
  taken: z.number(),
  corrected: z.number(),
  known: z.number(),
  refused: z.array(
    z.object({
      index: z.number(),
      execution: z.string().nullable(),
      code,
      path: z.string(),
      detail: z.string(),
    }),
  ),
});

export function outcomeRoutes(app: App, outcomes: OutcomeDesk): void {
  app.post(
    "/v1/executions/:id/outcome",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "What turned out, minutes or days later: a score, or the right answer",
        params: z.strictObject({ id: executionId }),
        body: outcomeSchema,
        response: { 200: executionSchema },
      },
    },
    async ({ actor, body, params: { id } }) => {
      const [came] = await outcomes.tell(actor, [toldOf({ ...body, execution: id })]);
      if (came === undefined) throw new Error(`nothing came of the outcome of ${id}`);
      if (came.kind === "refused") throw came.fault;
      return toApi(came.execution);
    },
  );

  app.post(
    "/v1/outcomes",
    {
      config: { allow: "agent" },
      bodyLimit: batchBytesMax,
      schema: {
        tags,
        summary: "What turned out of many at once; each is taken or refused by itself",
        body: manySchema,
        response: { 200: toldSchema },
      },
    },
    async ({ actor, body }) => {
      const read = body.outcomes.map(readOne);
      const fit = read.flatMap((each) => (each instanceof Fault ? [] : [each]));
      const came = (await outcomes.tell(actor, fit)).values();
      const all = read.map((each) =>
        each instanceof Fault ? ({ kind: "refused", fault: each } as const) : came.next().value,
      );
      return summed(
        all.filter((each) => each !== undefined),
        body.outcomes,
      );
    },
  );
}

function toldOf({ score, expected, note, execution }: z.infer<typeof oneOfMany>): ToldOf {
  const right =
    expected === undefined ? undefined : jsonWithin(expected, inputBytesMax, "expected");
  return { execution, score: score ?? null, note, expected: right };
}

/** What is told, or why it is not taken. */
function readOne(given: unknown): ToldOf | Fault {
  const { data, error } = oneOfMany.safeParse(given);
  try {
    if (data !== undefined) return toldOf(data);
  } catch (fault) {
    if (fault instanceof Fault) return inField("expected", fault);
    throw fault;
  }
  const [issue] = error.issues;
  const path = (issue?.path ?? []).map(String).join(".");
  const says = `${issue?.message ?? "is not of the form asked for"}. The form is at /openapi.json.`;
  return new Fault("bad_input", says, { context: { path } });
}

/** `canonical` names the place within the value alone. */
function inField(path: string, { code, message, cause }: Fault): Fault {
  return new Fault(code, message, { cause, context: { path } });
}

function summed(all: readonly Came[], given: readonly unknown[]): OutcomesTold {
  const count = (kind: Came["kind"]) => all.filter((each) => each.kind === kind).length;
  return {
    ...{ taken: count("taken"), corrected: count("corrected"), known: count("known") },
    refused: all.flatMap((each, index) =>
      each.kind === "refused" ? [refusalOf(each.fault, index, given[index])] : [],
    ),
  };
}

function refusalOf(
  { code, message, context }: Fault,
  index: number,
  given: unknown,
): OutcomeRefused {
  const field = code === "not_found" ? "execution" : (context.path ?? "");
  const execution =
    typeof given === "object" && given !== null && "execution" in given ? given.execution : null;
  return {
    ...{ index, execution: typeof execution === "string" ? execution.slice(0, 100) : null },
    ...{ code, path: `outcomes[${index}]${field === "" ? "" : `.${field}`}`, detail: message },
  };
}
