import type { PriorProbe, ReverseDrill } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import { requireArtifact } from "../releases/artifact-store.ts";
import { requirePin } from "../releases/pin-store.ts";
import { artifact, environment } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type PriorProbes, priorOf } from "./prior-probe.ts";
import { listProbes, type Probed } from "./probe-store.ts";
import { drillToApi } from "./reverse-drill.ts";
import type { RolloutDesk } from "./rollout-desk.ts";
import { drillSchema, probeSchema } from "./rollout-schemas.ts";
import { requireRollout, type Stored } from "./rollout-store.ts";

export interface WayBackRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly desk: RolloutDesk;
  readonly probes: PriorProbes;
}

const tags = ["rollouts"];
const ofDial = z.strictObject({ environment, artifact });
const holdMsMax = 600_000;

/** Whether one could go back: what is tried again and again, and drills on the live fleet. */
export function wayBackRoutes(app: App, deps: WayBackRoutesDeps): void {
  probeRoutes(app, deps);
  drillRoutes(app, deps);
}

function probeRoutes(app: App, { db, probes }: WayBackRoutesDeps): void {
  app.get(
    "/v1/prior-probes",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What rollbacks would go to, and whether it is known to start; what is not first",
        response: { 200: z.object({ probes: z.array(probeSchema) }) },
      },
    },
    async () => ({ probes: (await listProbes(db)).map(probeToApi) }),
  );

  app.post(
    "/v1/environments/:environment/pins/:artifact/probe-prior",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Try now what a rollback of this artifact would go to",
        params: ofDial,
        response: { 200: probeSchema },
      },
    },
    async ({ params }) => {
      await requireArtifact(db, params.artifact);
      await requirePin(db, params.environment, params.artifact);
      return probeToApi(await probes.probe(params));
    },
  );
}

function drillRoutes(app: App, { db, world, desk }: WayBackRoutesDeps): void {
  app.post(
    "/v1/environments/:environment/pins/:artifact/drill",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Move a share of the live fleet to the release before, and back again",
        params: ofDial,
        body: z.strictObject({
          percent: z.number().int().min(1).max(100).default(10),
          holdMs: z.number().int().min(0).max(holdMsMax).default(2_000),
        }),
        response: { 200: drillSchema },
      },
    },
    async ({ actor, session, body, params }) => {
      await requireArtifact(db, params.artifact);
      await requirePin(db, params.environment, params.artifact);
      const version = await priorOf(db, params);
      if (version === null) {
        throw new Fault(
          "state_forbids",
          `${params.artifact} has nothing to go back to in ${params.environment}: there is no way back to drill.`,
        );
      }
      const by = nameOf(actor);
      const { percent, holdMs } = body;
      const started = await desk.start({
        ...{ ...params, version, by, session, because: `drills the way back to ${version}` },
        ...{ ramp: percent === 100 ? [100] : [percent, 100], holdMs, blueGreen: false },
        ...{ expect: null, inFlight: null, override: null, purpose: "drill" },
      });
      await audit(db, {
        ...{ at: world.now(), actor: by, action: "rollout.drill", outcome: "done", because: "" },
        target: started.rollout.id,
      });
      return await shown(db, started);
    },
  );

  app.get(
    "/v1/rollouts/:id/drill",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "How a drill of the way back goes, and what it has proven",
        params: z.strictObject({ id: z.string().min(1).max(100) }),
        response: { 200: drillSchema },
      },
    },
    async ({ params }) => await shown(db, await requireRollout(db, params.id)),
  );
}

async function shown(db: Db, stored: Stored): Promise<ReverseDrill> {
  const drill = await drillToApi(db, stored);
  if (drill !== null) return drill;
  const { id } = stored.rollout;
  throw new Fault("not_found", `${id} is no drill: see it with \`lastgood rollout show ${id}\`.`);
}

function probeToApi({ at, ...probed }: Probed): PriorProbe {
  return { ...probed, at: at.toISOString() };
}
