import { z } from "zod";
import { Fault } from "../../fault.ts";
import { type Actor, actingAgent } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { differences } from "../../json/diff.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import { verifyChains } from "./chains.ts";
import type { Author } from "./document.ts";
import { listHeads, listVersions } from "./document-store.ts";
import { type Documents, gone, type Which } from "./documents.ts";
import { formatInstant, parseInstant } from "./instant.ts";
import { contentOf } from "./revert-plan.ts";
import {
  collectionSchema,
  diffResultSchema,
  diffSchema,
  documentSchema,
  headSchema,
  historySchema,
  listSchema,
  nameSchema,
  putSchema,
  receiptSchema,
  restoredSchema,
  restoreSchema,
  verificationSchema,
  versionSchema,
  whichSchema,
  writeSchema,
} from "./state-schemas.ts";
import { toApi, toDocument, toReceipt } from "./state-shapes.ts";

export interface StateRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly documents: Documents;
  readonly onRead?: OnRead;
}

export type OnRead = (
  session: string,
  document: { readonly collection: string; readonly id: string; readonly version: number },
) => void;

const path = "/v1/documents/:collection/:id";
const tags = ["state"];

/** Reading and writing single documents. */
export function stateRoutes(app: App, deps: StateRoutesDeps): void {
  readRoutes(app, deps);
  writeRoutes(app, deps);
}

function readRoutes(app: App, { db, world, documents, onRead }: StateRoutesDeps): void {
  app.get(
    "/v1/documents/:collection",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "The documents of a collection, by id",
        params: z.strictObject({ collection: collectionSchema }),
        querystring: listSchema,
        response: { 200: z.object({ documents: z.array(headSchema), more: z.boolean() }) },
      },
    },
    async ({ params, query: { after, limit, removed } }) => {
      const page = { after, removed, limit: limit + 1 };
      const heads = await listHeads(db, params.collection, page);
      return {
        documents: heads
          .slice(0, limit)
          .map(({ atUs, ...head }) => ({ ...head, at: formatInstant(atUs) })),
        more: heads.length > limit,
      };
    },
  );

  app.get(
    path,
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "A document: its latest version, a numbered one, or as of a time",
        params: nameSchema,
        querystring: whichSchema,
        response: { 200: documentSchema },
      },
    },
    async ({ params, query, session }) => {
      const which = whichOf(query, world);
      const found = await documents.get(params, which);
      if (which === undefined && found.body.kind !== "json") throw gone(found);
      // Null where nobody said in which session it is read; absent where the door has no sessions.
      if (which === undefined && session) onRead?.(session, found);
      return toDocument(found);
    },
  );

  app.get(
    `${path}/history`,
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "A document's versions, newest first",
        params: nameSchema,
        querystring: historySchema,
        response: { 200: z.object({ versions: z.array(versionSchema), more: z.boolean() }) },
      },
    },
    async ({ params, query: { before, limit } }) => {
      await documents.get(params);
      const page = { before: before ?? null, limit: limit + 1 };
      const versions = await listVersions(db, params, page);
      return { versions: versions.slice(0, limit).map(toApi), more: versions.length > limit };
    },
  );

  app.get(
    `${path}/diff`,
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What differs between two versions",
        description: "`to` is the latest if left out, `from` the one before `to`.",
        params: nameSchema,
        querystring: diffSchema,
        response: { 200: diffResultSchema },
      },
    },
    async ({ params, query }) => {
      const to = await documents.get(params, versionOf(query.to));
      const from = await documents.get(params, {
        version: query.from ?? Math.max(1, to.version - 1),
      });
      for (const each of [from, to]) {
        if (each.body.kind === "erased") {
          throw new Fault(
            "state_forbids",
            `The body of version ${each.version} was erased: it cannot be compared.`,
          );
        }
      }
      return {
        from: toApi(from),
        to: toApi(to),
        differences: [...differences(contentOf(from), contentOf(to))],
      };
    },
  );

  app.get(
    `${path}/verification`,
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Whether a document's chain is whole",
        params: nameSchema,
        response: { 200: verificationSchema },
      },
    },
    ({ params }) => verifyChains(db, params, AbortSignal.timeout(60_000)),
  );

  app.get(
    "/v1/document-verification",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Whether all documents' chains are whole",
        response: { 200: verificationSchema },
      },
    },
    () => verifyChains(db, null, AbortSignal.timeout(600_000)),
  );
}

function writeRoutes(app: App, { world, documents }: StateRoutesDeps): void {
  app.put(
    path,
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Write a document",
        params: nameSchema,
        body: putSchema,
        response: { 200: receiptSchema },
      },
    },
    async ({ params, body: { body, expect, derivedFrom, ...author }, actor }) =>
      toReceipt(
        await documents.put(
          params,
          { body, expect: expect ?? null, ...(derivedFrom && { derivedFrom }) },
          authorOf(actor, author),
        ),
      ),
  );

  app.post(
    `${path}/remove`,
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Remove a document; its history stays",
        params: nameSchema,
        body: writeSchema,
        response: { 200: receiptSchema },
      },
    },
    async ({ params, body: { expect, ...author }, actor }) =>
      toReceipt(await documents.remove(params, expect ?? null, authorOf(actor, author))),
  );

  app.post(
    `${path}/restore`,
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Bring back a version, or what was in force at a time, as a new version",
        params: nameSchema,
        body: restoreSchema,
        response: { 200: restoredSchema },
      },
    },
    async ({ params, body: { expect, version, at, ...author }, actor }) => {
      const which = whichOf({ version, at }, world) ?? { atUs: 0 };
      const { kept, ...receipt } = await documents.restore(
        params,
        which,
        expect ?? null,
        authorOf(actor, author),
      );
      return { ...toReceipt(receipt), kept: [...kept] };
    },
  );

  app.post(
    `${path}/erase`,
    {
      config: { allow: "admin" },
      schema: {
        tags,
        summary: "Erase every body the document ever had; cannot be taken back",
        params: nameSchema,
        body: writeSchema,
        response: { 200: receiptSchema },
      },
    },
    async ({ params, body: { expect, ...author }, actor }) =>
      toReceipt(await documents.erase(params, expect ?? null, authorOf(actor, author))),
  );
}

interface GivenAuthor {
  readonly agent?: string | undefined;
  readonly task?: string | undefined;
  readonly session?: string | undefined;
  readonly reason?: string | undefined;
}

function authorOf(actor: Actor, { agent, task, session, reason }: GivenAuthor): Author {
  return {
    agent: actingAgent(actor, agent),
    task: task ?? null,
    session: session ?? null,
    reason: reason ?? "",
  };
}

function whichOf(
  { version, at }: { readonly version?: number | undefined; readonly at?: string | undefined },
  world: World,
): Which | undefined {
  return at === undefined ? versionOf(version) : { atUs: parseInstant(at, world.now(), "at") };
}

function versionOf(version: number | undefined): Which | undefined {
  return version === undefined ? undefined : { version };
}
