import type { Deployed, PinStatus } from "@lastgood/sdk";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db, Query } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Followed, followedIn, stragglersOf } from "./consumer-store.ts";
import { type Dial, requireMayMove } from "./deploy-rights.ts";
import type { Moved } from "./move-pin.ts";
import { type Pin, rollbackOf, type Wanted } from "./pin.ts";
import type { PinDesk, RollBack } from "./pin-desk.ts";
import {
  listEnvironments,
  pinHistory,
  pinsInForce,
  requireEpoch,
  requirePin,
} from "./pin-store.ts";
import {
  artifact,
  consumerToApi,
  deployedSchema,
  deploymentSchema,
  environment,
  pinDetailsSchema,
  pinStatusSchema,
  pinToApi,
  rollbackSchema,
} from "./release-schemas.ts";
import { barredVersions } from "./release-store.ts";

export interface PinRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly desk: PinDesk;
  readonly dials: Dials;
}

/** What else turns dials, and how one goes back. */
export interface Dials {
  /** Why no agent may move the artifact's pins now (a freeze, a person who took over); null: it may. */
  heldBecause(artifact: string): Promise<string | null>;
  /** Why no agent may deploy here now (a rollout turns the dial); null: it may. */
  turnedBy(dial: Dial): Promise<string | null>;
  /** `cap_reached` where what was deployed before went back by itself too often in a row for an agent to go on. */
  requireNoLoop(dial: Dial): Promise<void>;
  /** `not_healthy` where the way back is not passable, unless it is `unchecked`. */
  rollBack(order: RollBack & { readonly unchecked: boolean }): Promise<Moved>;
}

const tags = ["pins"];
const ofEnvironment = z.strictObject({ environment });
const ofPin = z.strictObject({ environment, artifact });
const pinsShown = 1_000;
const historyShown = 100;
const stragglersShown = 1_000;

export function pinRoutes(app: App, deps: PinRoutesDeps): void {
  readRoutes(app, deps);
  moveRoutes(app, deps);
}

function readRoutes(app: App, { db, world }: PinRoutesDeps): void {
  app.get(
    "/v1/environments",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Environments that something is pinned in, and their epochs",
        response: {
          200: z.object({
            environments: z.array(
              z.object({ name: z.string(), epoch: z.number(), pins: z.number() }),
            ),
          }),
        },
      },
    },
    async () => ({ environments: [...(await listEnvironments(db))] }),
  );

  app.get(
    "/v1/environments/:environment/pins",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What an environment runs of each artifact, and who follows it",
        params: ofEnvironment,
        response: {
          200: z.object({
            epoch: z.number(),
            pins: z.array(pinStatusSchema),
            more: z.boolean(),
          }),
        },
      },
    },
    async ({ params }) => {
      const epoch = await requireEpoch(db, params.environment);
      const followed = await followedIn(db, params.environment);
      const pins: PinStatus[] = [];
      const found = await pinsInForce(db, params.environment, pinsShown + 1);
      for (const pin of found.slice(0, pinsShown)) pins.push(await statusOf(db, pin, followed));
      return { epoch, pins, more: found.length > pinsShown };
    },
  );

  app.get(
    "/v1/environments/:environment/pins/:artifact",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary:
          "One pin: where a rollback goes, its history, and the consumers that do not follow it",
        params: ofPin,
        response: { 200: pinDetailsSchema },
      },
    },
    async ({ params }) => {
      const pin = await requirePin(db, params.environment, params.artifact);
      const followed = await followedIn(db, params.environment);
      const stragglers = await stragglersOf(db, pin, stragglersShown);
      const history = await pinHistory(db, params.environment, params.artifact, historyShown);
      return {
        ...(await statusOf(db, pin, followed)),
        stragglers: stragglers.map((each) => consumerToApi(each, world.now())),
        history: history.map(pinToApi),
      };
    },
  );
}

async function statusOf(db: Query, pin: Pin, followed: readonly Followed[]): Promise<PinStatus> {
  const history = await pinHistory(db, pin.environment, pin.artifact);
  const back = rollbackOf(history, await barredVersions(db, pin.artifact));
  const { acknowledged = 0, stragglers = 0 } =
    followed.find((each) => each.artifact === pin.artifact) ?? {};
  const prior = back?.to.shares ?? null;
  return { ...pinToApi(pin), prior, consumers: { acknowledged, stragglers } };
}

function moveRoutes(app: App, deps: PinRoutesDeps): void {
  const { configuration, desk, dials } = deps;
  const response = { 200: deployedSchema };
  app.post(
    "/v1/environments/:environment/pins/:artifact",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary:
          "Deploy releases: all keys, a percentage, or every share; consumers follow at once",
        params: ofPin,
        body: deploymentSchema,
        response,
      },
    },
    async ({ actor, session, body, params }) => {
      const { version, percent, shares, because, expect = null, inFlight = null } = body;
      const override = body.override ?? null;
      const turnedOrHeld = async (artifact: string) =>
        (await dials.turnedBy(params)) ?? (await dials.heldBecause(artifact));
      await requireMayMove(configuration.current(), actor, params, turnedOrHeld, override);
      if (actor.role === "agent") await dials.requireNoLoop(params);
      const by = nameOf(actor);
      const moved = await desk.deploy({
        ...{ ...params, by, session, expect, inFlight, override },
        because: override === null ? because : `${because} (overrides: ${override})`.trim(),
        wanted: wantedOf({ version, percent, shares }),
      });
      if (override !== null) await auditOverride(deps, by, params, override);
      return answer(moved);
    },
  );

  app.post(
    "/v1/environments/:environment/pins/:artifact/rollback",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary:
          "Go back to the last good pin, once it is seen to be passable; what goes is barred until it is lifted",
        params: ofPin,
        body: rollbackSchema,
        response,
      },
    },
    async ({ actor, session, body, params }) => {
      const { because, expect = null, unchecked } = body;
      // Looking away from whether the other release starts is a person's to decide.
      const override = unchecked ? because : null;
      await requireMayMove(configuration.current(), actor, params, dials.heldBecause, override);
      const by = nameOf(actor);
      return answer(await dials.rollBack({ ...params, by, session, because, expect, unchecked }));
    },
  );
}

async function auditOverride(
  { db, world }: PinRoutesDeps,
  by: string,
  { environment, artifact }: Dial,
  because: string,
): Promise<void> {
  await audit(db, {
    ...{ at: world.now(), actor: by, action: "bar.overridden", outcome: "done", because },
    target: `${environment}/${artifact}`,
  });
}

function wantedOf({
  version,
  percent,
  shares,
}: {
  version: string | undefined;
  percent: number | undefined;
  shares: readonly { version: string; share: number }[] | undefined;
}): Wanted {
  if (shares !== undefined) return { kind: "shares", shares };
  // The schema lets one of the two through.
  const named = version ?? "";
  if (percent === undefined || percent === 100) return { kind: "all", version: named };
  return { kind: "part", version: named, percent };
}

function answer({ pin, already }: Moved): Deployed {
  return { ...pinToApi(pin), already };
}
