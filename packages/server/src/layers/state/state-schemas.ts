/** The shapes of the documents' HTTP API; they are the SDK's, a difference does not compile. */
import type {
  ChainVerification,
  Document,
  DocumentDiff,
  DocumentHead,
  DocumentReceipt,
  DocumentRevertResult,
  DocumentVersion,
  JsonValue,
  RestoredDocument,
} from "@lastgood/sdk";
import { z } from "zod";
import { collectionPattern, idPattern, operations } from "./document.ts";

export const collectionSchema = z
  .string()
  .regex(collectionPattern, "a collection: letters, digits, `.`, `_` or `-`, at most 64");
export const idSchema = z
  .string()
  .regex(
    idPattern,
    "a document's id: letters, digits, `.`, `_`, `-`, `:`, `@` or `+`, at most 128",
  );
const targetSchema = z
  .string()
  .max(200)
  .refine((text) => {
    const [collection = "", id = "", ...rest] = text.split("/");
    return rest.length === 0 && collectionPattern.test(collection) && idPattern.test(id);
  }, "a document: collection/id");

const shortText = z.string().min(1).max(200);
const number = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const versionNumber = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const moment = z.string().max(40);

export const nameSchema = z.strictObject({ collection: collectionSchema, id: idSchema });

const authorFields = {
  agent: shortText.optional(),
  task: shortText.optional(),
  session: shortText.optional(),
  reason: z.string().max(2_000).optional(),
};
export const writeSchema = z.strictObject({ ...authorFields, expect: number.optional() });
export const putSchema = writeSchema.extend({
  // Whatever JSON it is: the canonicaliser judges it, with a place inside the body.
  body: z.unknown().refine((body) => body !== undefined, "is missing: it may be any JSON value"),
  derivedFrom: z.array(targetSchema).max(50).optional(),
});
const oneOf = "name a version or a time, not both";
export const whichSchema = z
  .strictObject({ version: versionNumber.optional(), at: moment.optional() })
  .refine((which) => which.version === undefined || which.at === undefined, oneOf);
export const restoreSchema = writeSchema
  .extend({ version: number.min(1).optional(), at: moment.optional() })
  .refine((which) => (which.version === undefined) !== (which.at === undefined), oneOf);
export const listSchema = z.strictObject({
  after: z.string().max(128).default(""),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  removed: z.stringbool().default(false),
});
export const historySchema = z.strictObject({
  before: versionNumber.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
});
export const diffSchema = z.strictObject({
  from: versionNumber.optional(),
  to: versionNumber.optional(),
});
export const revertSchema = z.strictObject({
  set: z
    .strictObject({
      task: shortText.optional(),
      agent: shortText.optional(),
      since: moment.optional(),
      until: moment.optional(),
      changes: z.array(z.uuid()).min(1).max(1_000).optional(),
    })
    .refine(
      (set) =>
        set.task !== undefined ||
        set.changes !== undefined ||
        (set.agent !== undefined && set.since !== undefined),
      "name a task, or an agent and since when, or changes",
    ),
  preview: z.boolean().default(false),
  withDerived: z.boolean().default(false),
  leaveConflicts: z.boolean().default(false),
  reason: z.string().max(2_000).default(""),
});

const receiptFields = {
  collection: z.string(),
  id: z.string(),
  version: z.number(),
  at: z.string(),
  change: z.string(),
  hash: z.string(),
};
const versionFields = {
  ...receiptFields,
  operation: z.enum(Object.keys(operations) as (keyof typeof operations)[]),
  agent: z.string(),
  task: z.string().nullable(),
  session: z.string().nullable(),
  reason: z.string(),
  previousHash: z.string().nullable(),
  derivedFrom: z.array(z.string()),
  holds: z.enum(["body", "removed", "erased"]),
};
const json: z.ZodType<JsonValue> = z.json();
const differenceSchema = z.discriminatedUnion("op", [
  z.object({ op: z.literal("add"), path: z.string(), value: json }),
  z.object({ op: z.literal("remove"), path: z.string(), was: json }),
  z.object({ op: z.literal("replace"), path: z.string(), was: json, value: json }),
]);

export const receiptSchema: z.ZodType<DocumentReceipt> = z.object(receiptFields);
export const restoredSchema: z.ZodType<RestoredDocument> = z.object({
  ...receiptFields,
  kept: z.array(z.string()),
});
export const versionSchema: z.ZodType<DocumentVersion> = z.object(versionFields);
export const documentSchema: z.ZodType<Document> = z.object({ ...versionFields, body: json });
export const headSchema: z.ZodType<DocumentHead> = z.object({
  collection: z.string(),
  id: z.string(),
  version: z.number(),
  at: z.string(),
  removed: z.boolean(),
  hash: z.string(),
});
export const diffResultSchema: z.ZodType<DocumentDiff> = z.object({
  from: versionSchema,
  to: versionSchema,
  differences: z.array(differenceSchema),
});
export const revertResultSchema: z.ZodType<DocumentRevertResult> = z.object({
  change: z.string().nullable(),
  documents: z.array(
    z.object({
      collection: z.string(),
      id: z.string(),
      outcome: z.enum(["clean", "merged", "conflict", "unchanged"]),
      from: z.number(),
      restores: z.number().nullable(),
      takesBack: z.array(z.number()),
      differences: z.array(differenceSchema),
      conflicts: z.array(
        z.object({ path: z.string(), because: z.string(), by: z.array(versionSchema) }),
      ),
      kept: z.array(z.string()),
    }),
  ),
  derived: z.array(
    z.object({
      collection: z.string(),
      id: z.string(),
      source: z.string(),
      versions: z.array(z.number()),
    }),
  ),
});
export const verificationSchema: z.ZodType<ChainVerification> = z.object({
  documents: z.number(),
  versions: z.number(),
  erased: z.number(),
  broken: z.array(
    z.object({
      collection: z.string(),
      id: z.string(),
      version: z.number(),
      why: z.string(),
    }),
  ),
});
