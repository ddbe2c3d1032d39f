import { z } from "zod";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { listArtifacts, requireArtifact } from "./artifact-store.ts";
import { bodyOf, parseBody, nameOf as releaseName } from "./release.ts";
import type { ReleaseDesk } from "./release-desk.ts";
import {
  artifact,
  artifactSchema,
  artifactToApi,
  because,
  limit,
  newReleaseSchema,
  note,
  publishedSchema,
  releaseDetailsSchema,
  releaseSchema,
  releaseToApi,
  scoreGivenSchema,
  settingsSchema,
  version,
} from "./release-schemas.ts";
import {
  insertApproval,
  insertScores,
  liftBars,
  listReleases,
  readContent,
  requireRelease,
} from "./release-store.ts";

export interface ReleaseRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly desk: ReleaseDesk;
}

const tags = ["releases"];
const ofArtifact = z.strictObject({ artifact });
const ofRelease = z.strictObject({ artifact, version });
const response = { 200: releaseSchema };

export function releaseRoutes(app: App, deps: ReleaseRoutesDeps): void {
  artifactRoutes(app, deps);
  publishRoutes(app, deps);
  besideRoutes(app, deps);
  barRoutes(app, deps);
}

function artifactRoutes(app: App, { db, desk }: ReleaseRoutesDeps): void {
  app.get(
    "/v1/artifacts",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Everything that is released, by name",
        response: { 200: z.object({ artifacts: z.array(artifactSchema) }) },
      },
    },
    async () => ({ artifacts: (await listArtifacts(db)).map(artifactToApi) }),
  );

  app.get(
    "/v1/artifacts/:artifact",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One artifact",
        params: ofArtifact,
        response: { 200: artifactSchema },
      },
    },
    async ({ params }) => artifactToApi(await requireArtifact(db, params.artifact)),
  );

  app.put(
    "/v1/artifacts/:artifact",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Make an artifact, or change its in-flight policy, review and retention",
        params: ofArtifact,
        body: settingsSchema,
        response: { 200: artifactSchema },
      },
    },
    async ({ actor, body, params }) =>
      artifactToApi(await desk.declare(nameOf(actor), params.artifact, body)),
  );
}

function publishRoutes(app: App, { db, desk }: ReleaseRoutesDeps): void {
  app.post(
    "/v1/artifacts/:artifact/releases",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Publish a release; the same content under the same version changes nothing",
        params: ofArtifact,
        body: newReleaseSchema,
        response: { 200: publishedSchema },
      },
    },
    async ({ actor, session, body: given, params }) => {
      const { content, reference, parent = null, kind, ...rest } = given;
      const { release, already } = await desk.publish({
        ...{ ...rest, parent, kind, session, artifact: params.artifact, author: nameOf(actor) },
        body: bodyOf({ content, reference }),
      });
      return { ...releaseToApi(release), already };
    },
  );

  app.get(
    "/v1/artifacts/:artifact/releases",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Releases of an artifact, newest first, without their contents",
        params: ofArtifact,
        querystring: z.strictObject({ limit }),
        response: { 200: z.object({ releases: z.array(releaseSchema), more: z.boolean() }) },
      },
    },
    async ({ params, query }) => {
      await requireArtifact(db, params.artifact);
      const found = await listReleases(db, params.artifact, query.limit + 1);
      const releases = found.slice(0, query.limit).map(releaseToApi);
      return { releases, more: found.length > query.limit };
    },
  );

  app.get(
    "/v1/artifacts/:artifact/releases/:version",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One release, with its content",
        params: ofRelease,
        response: { 200: releaseDetailsSchema },
      },
    },
    async ({ params }) => {
      await requireArtifact(db, params.artifact);
      const release = await requireRelease(db, params.artifact, params.version);
      const text = await readContent(db, release.digest);
      const kept = text === null || release.retiredAt !== null ? {} : { content: parseBody(text) };
      return { ...releaseToApi(release), ...kept };
    },
  );
}

function besideRoutes(app: App, { db, world }: ReleaseRoutesDeps): void {
  app.post(
    "/v1/artifacts/:artifact/releases/:version/scores",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Record a score of a release, beside those it has",
        params: ofRelease,
        body: scoreGivenSchema,
        response,
      },
    },
    async ({ actor, body, params }) => {
      await requireRelease(db, params.artifact, params.version);
      await insertScores(db, params, [{ ...body, by: nameOf(actor), at: world.now() }]);
      return releaseToApi(await requireRelease(db, params.artifact, params.version));
    },
  );

  app.post(
    "/v1/artifacts/:artifact/releases/:version/approve",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Approve a release; its author's own approval does not count as a review",
        params: ofRelease,
        body: z.strictObject({ note: note.default("") }),
        response,
      },
    },
    async ({ actor, body, params }) => {
      await requireRelease(db, params.artifact, params.version);
      await insertApproval(db, params, { ...body, by: nameOf(actor), at: world.now() });
      return releaseToApi(await requireRelease(db, params.artifact, params.version));
    },
  );
}

function barRoutes(app: App, { db, world, desk }: ReleaseRoutesDeps): void {
  app.post(
    "/v1/artifacts/:artifact/releases/:version/lift",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Let a release that was rolled back be deployed again, with a reason",
        params: ofRelease,
        body: z.strictObject({ because }),
        response,
      },
    },
    async ({ actor, body, params }) => {
      const by = nameOf(actor);
      return await db.begin(async (tx) => {
        const release = await requireRelease(tx, params.artifact, params.version);
        const at = world.now();
        const because = body.because;
        await liftBars(tx, release.artifact, [release.version], { at, by, because });
        await audit(tx, {
          ...{ at, actor: by, action: "release.lifted", target: releaseName(release) },
          ...{ outcome: "done", because },
        });
        return releaseToApi(await requireRelease(tx, release.artifact, release.version));
      });
    },
  );

  app.post(
    "/v1/artifacts/:artifact/releases/:version/retire",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Let go of the content of a release that was never pinned",
        params: ofRelease,
        body: z.strictObject({ because }),
        response,
      },
    },
    async ({ actor, body, params }) =>
      releaseToApi(await desk.retire(nameOf(actor), params.artifact, params.version, body.because)),
  );
}
