/** What runs of the fleet, and how it is moved. */
import { type Checks, createChecks } from "../checks/checks.ts";
import type { Closing } from "../closing.ts";
import { createExecutions, type Executions } from "../executions/executions.ts";
import { type ReleaseSample, releaseSample } from "../executions/release-sample.ts";
import { createGate, type Gate as OwnGate } from "../gate/create-gate.ts";
import { measureGate } from "../gate/gate-metrics.ts";
import { liveSignal } from "../gate/live.ts";
import { createOwnGateway, type OwnGateway } from "../gateway/own-gateway.ts";
import { measurePins } from "../releases/pin-metrics.ts";
import { createReleases, type Releases } from "../releases/releases.ts";
import { measureRollouts } from "../rollouts/rollout-metrics.ts";
import { createRollouts, type Rollouts } from "../rollouts/rollouts.ts";
import type { Signals } from "../signals/signals.ts";

import type { Ground, Seams } from "./ground.ts";

/** What runs, and how it is moved: releases and their pins, the dial and its gate, work by release, models. */
export interface Versions {
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly executions: Executions;
  readonly gateway: OwnGateway;
  readonly checks: Checks;
  readonly gate: OwnGate;
}

export async function openVersions(
  ground: Ground,
  signals: Pick<Signals, "releases" | "isJudging" | "ingest">,
  seams: Seams,
  closing: Closing,
): Promise<Versions> {
  const { registry } = ground.metrics;
  const releases = await createReleases(ground);
  measurePins(registry, ground);
  closing.add(() => releases.stop());
  const checks = createChecks({ ...ground, environment: process.env });
  closing.add(() => checks.stop());
  const gate = createGate({
    ...{ ...ground, checks, environment: process.env },
    traffic: { recentInputs: (artifact, limit) => executions.recentInputs(artifact, limit) },
    observeLive({ at, ok, value, ...release }) {
      const each = { ...release, key: `bank at ${at.toISOString()}`, dimensions: null };
      const sample = releaseSample(each, liveSignal, at, { ok, value });
      signals.ingest([{ ...sample, hard: null }]);
    },
  });
  closing.add(() => gate.stop());
  measureGate(registry, ground);
  const judge = seams.judge ?? signals.releases;
  measureRollouts(registry, { ...ground, judge });
  const rollouts = createRollouts({
    ...{ ...ground, ...releases, environment: process.env },
    judge,
    isJudging: signals.isJudging,
    gate: seams.gate ?? gate,
  });
  closing.add(() => rollouts.stop());
  const observing = {
    snapshots: releases.snapshots,
    observe: (samples: readonly ReleaseSample[]) =>
      signals.ingest(samples.map((each) => ({ ...each, hard: null }))),
  };
  const executions = createExecutions({
    ...{ ...ground, ...observing },
    turnedOut: (ids) => gateway.turnedOut(ids),
  });
  closing.add(() => executions.stop());
  const gateway = createOwnGateway({
    ...{ ...ground, ...observing, desk: executions.desk, environment: process.env },
    judgeCopies: executions.judgeCopies,
  });
  closing.add(() => gateway.stop());
  return { releases, rollouts, executions, gateway, checks, gate };
}
