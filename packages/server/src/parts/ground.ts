/** What every part stands on, and where tests and drills put others in place of ours. */
import type { Logger } from "pino";
import type { WorkTrees as SeenWorkTrees } from "../brief/read-tree.ts";
import type { Configuration } from "../config/config.ts";
import type { Metrics } from "../http/metrics.ts";
import type { RecoveryId } from "../ids.ts";
import type { EvidenceBoard, Weighing } from "../incidents/evidence-board.ts";
import type { Layers } from "../layers/layer.ts";
import type { JournalPoint } from "../recovery/runner.ts";
import type { Gate, ReleaseJudge } from "../rollouts/neighbours.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";

/** What every room gets. */
export interface Ground {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly home: string;
  readonly configuration: Configuration;
  /** Null where the store is our own embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  readonly metrics: Metrics;
}

/** Where tests and drills put other parts in place of ours, and hold the journal. */
export interface Seams {
  layers?(ours: Layers): Layers;
  /** In place of triage's own weighing of what an investigation found. */
  weigh?(board: EvidenceBoard): Weighing;
  reached?(recovery: RecoveryId, point: JournalPoint): Promise<void>;
  /** What compares the releases of a rollout, and what stands before its first traffic. */
  readonly judge?: ReleaseJudge;
  readonly gate?: Gate;
  /** What a brief sees of work trees. */
  workTrees?(ours: SeenWorkTrees): SeenWorkTrees;
}
