/** What lastgood.yaml says of releases: who uses which artifact, who may deploy, and where this file's world is. */
import { z } from "zod";
import { glob, name } from "./scalars.ts";

/** As `name`, and with `/` between parts: `anthropic/claude-sonnet`. */
export const artifactName = z
  .string()
  .max(100)
  .regex(
    /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9_][\w.-]*)*$/,
    "write an artifact's name: letters, digits, `.`, `_` or `-`, parts separated by `/`, at most 100",
  );

export const usesSchema = z
  .array(artifactName)
  .max(100)
  .default([])
  .describe("Artifacts that it runs on: a bad pin of one of them shows here first.");

export const deploysSchema = z
  .array(glob)
  .max(100)
  .default([])
  .describe("Globs over `environment/artifact` that this agent may deploy and roll back.");

export const releasesSchema = z
  .strictObject({
    environment: name
      .default("production")
      .describe("The environment that the services and agents of this file run in."),
    ofrepPerSecond: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(2_000)
      .describe("OFREP evaluations a second that one token may ask for; more is answered 429."),
  })
  .prefault({});
