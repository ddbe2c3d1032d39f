/** What judges an answer, as people write it: in a file of the bank, and in lastgood.yaml. */
import type { Evaluator } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { parseJsonPath } from "../json/json-path.ts";
import { argv, duration, variable } from "./scalars.ts";

const patternLettersMax = 1_000;

/** As `json/json-path.ts` reads it; what it does not is refused, and where. */
export const jsonPath = z
  .string()
  .max(1_000)
  .superRefine((text, context) => {
    try {
      parseJsonPath(text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  });
const at = jsonPath.optional();
const pattern = z.string().min(1).max(patternLettersMax);
const tolerance = z.number().min(0).max(1e15).optional();
const webUrl = z.url({ protocol: /^https?$/, error: "write an http or https URL" }).max(2_000);

/** What is our own, and harmless whoever writes it. */
const own = [
  z.strictObject({ kind: z.literal("exact"), at }),
  z.strictObject({ kind: z.literal("json-path"), path: jsonPath }),
  z
    .strictObject({
      kind: z.literal("regex"),
      pattern,
      flags: z
        .string()
        .regex(/^[imsuv]{0,4}$/, "write some of the flags i, m, s, u, v")
        .optional(),
      at,
    })
    .superRefine(({ pattern: text, flags }, context) => {
      try {
        new RegExp(text, flags);
      } catch (error) {
        context.addIssue({ code: "custom", path: ["pattern"], message: String(error) });
      }
    }),
  z.strictObject({ kind: z.literal("numeric"), within: tolerance, relative: tolerance, at }),
] as const;
export const ownEvaluator: z.ZodType<Evaluator> = z.discriminatedUnion("kind", own);

/** As it stands in a file: a span is written `10s`. */
const timeout = duration("10ms", "5m").optional();
const written = z.discriminatedUnion("kind", [
  ...own,
  z
    .strictObject({ kind: z.literal("command"), command: argv, timeout })
    .transform(({ timeout: timeoutMs, ...rest }) => withTimeout(rest, timeoutMs)),
  z
    .strictObject({
      kind: z.literal("http"),
      url: webUrl,
      keyEnv: variable.optional(),
      atLeast: z.number().min(0).max(1).optional(),
      timeout,
    })
    .transform(({ timeout: timeoutMs, ...rest }) => withTimeout(rest, timeoutMs)),
]);
/** An evaluator as people write it, in a file of the bank or in lastgood.yaml. */
export const evaluatorSchema: z.ZodType<Evaluator, unknown> = written;

function withTimeout<T extends object>(rest: T, timeoutMs: number | undefined) {
  return timeoutMs === undefined ? rest : { ...rest, timeoutMs };
}
