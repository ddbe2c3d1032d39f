import { Gauge, type Registry } from "prom-client";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { ReleaseJudge } from "./neighbours.ts";
import { listProbes } from "./probe-store.ts";
import { percentOf } from "./rollout.ts";
import { openRollouts, phasesSince } from "./rollout-store.ts";

export interface RolloutMetricsDeps {
  readonly db: Db;
  readonly world: World;
  readonly judge: ReleaseJudge | null;
}

/** So many dials have series of their own: those that began first, and ways back that are not passable. */
const dialsMax = 100;
const dayMs = 86_400_000;
const dial = ["environment", "artifact"] as const;

/** How rollouts stand at `/metrics`, and whether the ways back are known to be passable. */
export function measureRollouts(
  registry: Registry,
  { db, world, judge }: RolloutMetricsDeps,
): void {
  const registers = [registry];
  new Gauge({
    name: "lastgood_rollouts",
    help: "Rollouts by phase: those that can still change, and those that ended within the last day.",
    labelNames: ["phase"],
    registers,
    async collect() {
      this.reset();
      const since = new Date(world.now().getTime() - dayMs);
      for (const { phase, rollouts } of await phasesSince(db, since)) {
        this.labels(phase).set(rollouts);
      }
    },
  });
  const verdicts = new Gauge({
    name: "lastgood_rollout_verdict",
    help: "1 for what the judge says of the candidate now; only the server that judges tells.",
    labelNames: [...dial, "verdict"],
    registers,
  });
  new Gauge({
    name: "lastgood_rollout_share",
    help: "The part of the keys that the candidate has, from 0 to 1, by dial.",
    labelNames: [...dial],
    registers,
    async collect() {
      this.reset();
      verdicts.reset();
      for (const { rollout } of (await openRollouts(db)).slice(0, dialsMax)) {
        const { environment, artifact } = rollout;
        this.labels(environment, artifact).set(percentOf(rollout) / 100);
        const verdict = judge?.verdictOf(rollout)?.kind;
        if (verdict !== undefined) verdicts.labels(environment, artifact, verdict).set(1);
      }
    },
  });
  measureProbes(registers, { db, world });
}

function measureProbes(
  registers: Registry[],
  { db, world }: Pick<RolloutMetricsDeps, "db" | "world">,
): void {
  const passable = new Gauge({
    name: "lastgood_prior_passable",
    help: "1 where a rollback could go: what was pinned before was whole, and started where that was tried.",
    labelNames: [...dial],
    registers,
  });
  new Gauge({
    name: "lastgood_prior_probe_age_seconds",
    help: "How long ago it was last tried whether a rollback could go there.",
    labelNames: [...dial],
    registers,
    async collect() {
      this.reset();
      passable.reset();
      const now = world.now().getTime();
      for (const { environment, artifact, ok, at } of (await listProbes(db)).slice(0, dialsMax)) {
        this.labels(environment, artifact).set((now - at.getTime()) / 1_000);
        passable.labels(environment, artifact).set(ok ? 1 : 0);
      }
    },
  });
}
