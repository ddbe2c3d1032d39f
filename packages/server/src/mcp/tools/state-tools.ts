import { z } from "zod";
import { adds, reads, type Tool, tool } from "../tool.ts";
import { json, session, task } from "./arguments.ts";

const place = {
  collection: z
    .string()
    .min(1)
    .max(200)
    .describe("Such as pages, or agents for agents' own state."),
  id: z.string().min(1).max(200).describe("The document in it, such as your own name in agents."),
};

const stateGet = tool({
  name: "state_get",
  title: "Read a document",
  description:
    "Reads a shared document, now or as it was (version, or at a time). Your own state is the document agents/<your name>. not_found when there is none. Keep the version: state_put wants it.",
  hints: reads,
  input: z.strictObject({
    ...place,
    version: z.number().int().min(1).optional(),
    at: z.string().max(40).optional().describe("An ISO time, or a span back from now such as 2h."),
    session,
  }),
  output: z.object({
    collection: z.string(),
    id: z.string(),
    version: z.number(),
    at: z.string(),
    agent: z.string().describe("Who wrote this version."),
    reason: z.string(),
    body: z.unknown(),
  }),
  async run({ collection, id, version, at, session: named }, caller) {
    return await caller.client(named).getDocument(collection, id, {
      ...(version === undefined ? {} : { version }),
      ...(at === undefined ? {} : { at }),
    });
  },
});

const statePut = tool({
  name: "state_put",
  title: "Write a document",
  description:
    "Writes a new version of a shared document; the versions before it stay and can be restored. Name expect, the version that you read (0: there was none), so that you do not write over what another wrote meanwhile: version_conflict tells you to read it again.",
  hints: adds,
  input: z.strictObject({
    ...place,
    body: json,
    expect: z.number().int().min(0).optional(),
    task: task.optional().describe("The task that it is written for."),
    reason: z.string().max(2_000).optional(),
    derived_from: z
      .array(z.string().max(401))
      .max(100)
      .optional()
      .describe("Documents collection/id that the body was made from."),
    session,
  }),
  output: z.object({
    collection: z.string(),
    id: z.string(),
    version: z.number(),
    at: z.string(),
    change: z.string(),
  }),
  async run(
    { collection, id, body, expect, reason, derived_from, session: named, ...rest },
    caller,
  ) {
    const mine = caller.current(named);
    return await caller.client(named).putDocument(collection, id, {
      body,
      ...(mine === undefined ? {} : { session: mine }),
      ...(rest.task === undefined ? {} : { task: rest.task }),
      ...(expect === undefined ? {} : { expect }),
      ...(reason === undefined ? {} : { reason }),
      ...(derived_from === undefined ? {} : { derivedFrom: derived_from }),
    });
  },
});

export const stateTools: readonly Tool[] = [stateGet, statePut];
