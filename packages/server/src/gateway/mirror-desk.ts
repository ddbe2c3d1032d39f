/** Who is asked a copy of what: said by people, and by the judge of releases that has no control left. */
import type { GatewayOrders, Mirror } from "@lastgood/sdk";
import { requireRelease } from "../releases/release-store.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { deleteMirror, type MirrorOrder, mirrorsIn, saveMirror } from "./gateway-store.ts";
import { modelOf } from "./model-release.ts";

export interface MirrorDesk {
  /** Faults `not_found`, and `state_forbids` for a release that the gateway cannot ask. */
  start(wanted: StartMirror): Promise<Mirror>;
  end(environment: string, artifact: string): Promise<boolean>;
  orders(environment: string): Promise<GatewayOrders>;
}

export interface StartMirror {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly percent: number;
  readonly forMs: number;
  readonly by: string;
  readonly because: string;
}

export function createMirrorDesk({
  db,
  world,
  changed,
}: {
  readonly db: Db;
  readonly world: World;
  /** Called once it is written. */
  changed(environment: string): Promise<void>;
}): MirrorDesk {
  async function orders(environment: string): Promise<GatewayOrders> {
    const found = await mirrorsIn(db, environment, world.now());
    return { mirrors: found.map(({ content, ...each }) => ({ ...toApi(each), content })) };
  }

  return {
    orders,
    async start({ forMs, ...wanted }) {
      const { environment, artifact, version } = wanted;
      await requireRelease(db, artifact, version);
      const begunAt = world.now();
      const order = { ...wanted, begunAt, until: new Date(begunAt.getTime() + forMs) };
      await db.begin(async (tx) => {
        await saveMirror(tx, order);
        const saved = await mirrorsIn(tx, environment, begunAt);
        const content = saved.find((each) => each.artifact === artifact)?.content;
        modelOf({ environment, artifact, version, kind: "model", epoch: 0, content });
      });
      await changed(environment);
      return toApi(order);
    },
    async end(environment, artifact) {
      const ended = await deleteMirror(db, environment, artifact);
      await changed(environment);
      return ended;
    },
  };
}

export function toApi({ begunAt, until, ...mirror }: MirrorOrder): Mirror {
  return { ...mirror, begunAt: begunAt.toISOString(), until: until.toISOString() };
}
