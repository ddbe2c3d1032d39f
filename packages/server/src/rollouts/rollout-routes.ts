import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import { requireMayMove } from "../releases/deploy-rights.ts";
import { artifact, environment } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { nextAct, type Seen } from "./next-act.ts";
import { sayBecause } from "./plain-rollback.ts";
import type { RolloutId } from "./rollout.ts";
import type { RolloutDesk } from "./rollout-desk.ts";
import {
  backSchema,
  rolloutDetailsSchema,
  rolloutSchema,
  rolloutToApi,
  startSchema,
  turnSchema,
} from "./rollout-schemas.ts";
import { listRollouts, readEvents, requireRollout, type Stored } from "./rollout-store.ts";

export interface RolloutRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly desk: RolloutDesk;
  seen(stored: Stored): Promise<Seen>;
  /** Why no agent may move the dial now; null: it may. */
  heldBecause(artifact: string, environment: string): Promise<string | null>;
}

const tags = ["rollouts"];
const ofRollout = z.strictObject({ id: z.string().min(1).max(100) });
const ofDial = z.strictObject({ environment, artifact });
const response = { 200: rolloutSchema };

export function rolloutRoutes(app: App, deps: RolloutRoutesDeps): void {
  readRoutes(app, deps);
  startRoute(app, deps);
  turnRoutes(app, deps);
}

function readRoutes(app: App, deps: RolloutRoutesDeps): void {
  const { db } = deps;
  app.get(
    "/v1/rollouts",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Rollouts, newest first",
        querystring: z.strictObject({
          state: z.enum(["open", "ended", "all"]).default("all"),
          artifact: artifact.optional(),
          environment: environment.optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: { 200: z.object({ rollouts: z.array(rolloutSchema), more: z.boolean() }) },
      },
    },
    async ({ query }) => {
      const found = await listRollouts(db, { ...query, limit: query.limit + 1 });
      const rollouts = found.slice(0, query.limit).map(rolloutToApi);
      return { rollouts, more: found.length > query.limit };
    },
  );

  app.get(
    "/v1/rollouts/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One rollout: where it stands, what the judge says, and all that happened",
        params: ofRollout,
        response: { 200: rolloutDetailsSchema },
      },
    },
    async ({ params }) => {
      const stored = await requireRollout(db, params.id);
      const events = await readEvents(db, stored.rollout.id);
      const seen = await deps.seen(stored);
      const act = nextAct(stored.rollout, seen);
      return {
        ...rolloutToApi(stored),
        verdict: seen.verdict,
        waits: act.kind === "wait" ? act.because : null,
        events: events.map(({ at, ...told }) => ({ ...told, at: at.toISOString() })),
      };
    },
  );
}

function startRoute(app: App, deps: RolloutRoutesDeps): void {
  app.post(
    "/v1/environments/:environment/pins/:artifact/rollout",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Roll a release out: through the gate, then up a ramp that is watched",
        params: ofDial,
        body: startSchema,
        response,
      },
    },
    async ({ actor, session, body, params }) => {
      await requireMay(deps, actor, params, body.override ?? null);
      const by = nameOf(actor);
      const started = await deps.desk.start({
        ...{ ...params, by, session, version: body.version, because: body.because },
        ...{ ramp: body.ramp ?? null, holdMs: body.holdMs ?? null, blueGreen: body.blueGreen },
        ...{ expect: body.expect ?? null, inFlight: body.inFlight ?? null },
        ...{ override: body.override ?? null, purpose: "release" },
      });
      await record(deps, by, "rollout.start", started.rollout.id, body.because);
      return rolloutToApi(started);
    },
  );
}

function turnRoutes(app: App, deps: RolloutRoutesDeps): void {
  const { db, desk } = deps;
  const turns = [
    ["freeze", "Hold a rollout where it is: nothing automatic moves it", desk.freeze],
    ["resume", "Go on where a rollout was frozen", desk.resume],
    ["promote", "Give the candidate to everybody now", desk.promote],
  ] as const;
  for (const [verb, summary, act] of turns) {
    app.post(
      `/v1/rollouts/:id/${verb}`,
      {
        config: { allow: "operator" },
        schema: { tags, summary, params: ofRollout, body: turnSchema, response },
      },
      async ({ actor, body, params }) => {
        const by = nameOf(actor);
        const stored = await act(params.id, { ...body, by });
        await record(deps, by, `rollout.${verb}`, stored.rollout.id, body.because);
        return rolloutToApi(stored);
      },
    );
  }
  app.post(
    "/v1/rollouts/:id/back",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Turn a rollout back, by the reverse ramp or at once; what goes is barred",
        params: ofRollout,
        body: backSchema,
        response,
      },
    },
    async ({ actor, body, params }) => {
      const { rollout } = await requireRollout(db, params.id);
      // Looking away from whether the other release starts is a person's to decide.
      const override = body.unchecked ? body.because : null;
      await requireMay(deps, actor, rollout, override);
      const by = nameOf(actor);
      const because = sayBecause(body);
      const stored = await desk.back(rollout.id, { ...body, by, because });
      const how = body.unchecked ? "rollout.back-unchecked" : "rollout.back";
      await record(deps, by, how, rollout.id, body.because);
      return rolloutToApi(stored);
    },
  );
}

async function requireMay(
  { configuration, heldBecause }: RolloutRoutesDeps,
  actor: Actor,
  { environment, artifact }: { readonly environment: string; readonly artifact: string },
  override: string | null,
): Promise<void> {
  const dial = { environment, artifact };
  await requireMayMove(configuration.current(), actor, dial, heldBecause, override);
}

async function record(
  { db, world }: RolloutRoutesDeps,
  actor: string,
  action: string,
  target: RolloutId,
  because: string,
): Promise<void> {
  await audit(db, { at: world.now(), actor, action, target, outcome: "done", because });
}
