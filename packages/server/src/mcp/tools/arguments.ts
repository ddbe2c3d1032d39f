/** Arguments that several tools take. */
import type { JsonValue } from "@lastgood/sdk";
import { z } from "zod";

export const session = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .describe("Over HTTP: your session, as session_start answered it.");

export const task = z
  .string()
  .min(1)
  .max(200)
  .describe("The task's id, such as task_2026_0921_014.");

export const because = z.string().trim().min(1).max(2_000);

/** Arguments are parsed JSON: whatever they hold is a JSON value. */
export const json = z.unknown() as z.ZodType<unknown> as z.ZodType<JsonValue, JsonValue>;

export const limit = (most: number, usual: number) =>
  z
    .number()
    .int()
    .min(1)
    .max(most)
    .default(usual)
    .describe(`At most this many (${usual} unless told).`);
