/**
 * The signals room, put together: probes and pushed samples in, verdicts out, evidence kept.
 */
import type { Judgement, RuleDetails, SignalsStatus } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { upstreamOf } from "../config/graph.ts";
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Layer } from "../layers/layer.ts";
import { startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { ControlSource } from "./ask-control.ts";
import { createBaselineLayer } from "./baseline-layer.ts";
import { type Contrast, contrastEvidence, levelOfSum } from "./contrast.ts";
import { createEvidenceWriter } from "./evidence-writer.ts";
import { findAnnouncements, hasExposedChange } from "./exposure-store.ts";
import { levelBetween, recentOf } from "./history.ts";
import { createJudgedReleases } from "./judged-releases.ts";
import { createProbeLoop } from "./probe-loop.ts";
import type { ReleaseJudge } from "./release-judge.ts";
import { releaseJudgeRoutes } from "./release-routes.ts";
import { deltaOf, type Replayed, replayRule, scoreFor } from "./replay.ts";
import { createReports } from "./reports.ts";
import { findReports, type Reports, reportsOf } from "./reports-store.ts";
import { createRuleEngine, type Watch } from "./rule-engine.ts";
import { statusOf } from "./rule-status.ts";
import { probeSignals, type Sample } from "./sample.ts";
import { createSampleIntake } from "./sample-intake.ts";
import { createSignalMemory } from "./signal-memory.ts";
import { signalsRoutes } from "./signals-routes.ts";
import {
  findAlarmedSince,
  loadBuckets,
  loadChunks,
  loadStates,
  readTrajectory,
  readVerdicts,
  streamBuckets,
  trimSignals,
} from "./signals-store.ts";
import type { Verdict } from "./verdict.ts";
import { createVerdictDesk, type VerdictDesk } from "./verdict-desk.ts";

/** What the rest of the house may ask of the signals. */
export interface Signals {
  /** Called on every change of a verdict, and every few seconds while a regression lasts. */
  onVerdict(listener: (verdict: Verdict) => void): () => void;
  /** Takes in what another room observed, such as an exited process. Never waits, never throws. */
  ingest(samples: readonly Sample[]): void;
  status(service: string | null): SignalsStatus;
  /** What a rule (or one of its segments) says now; `gone` when it is no longer in force. */
  stateOf(rule: string, dimension: string | null): RuleState;
  /** Compares a rule's signal before and after a moment; null for a rule that is not in force. */
  contrast(service: string, rule: string, exposedAt: Date): Promise<Contrast | null>;
  /** The regressions that the recorded samples show since then, under the rules in force now. */
  replay(since: Date, signal: AbortSignal): Promise<readonly Replayed[]>;
  reportsOf(service: string, since: Date): Promise<Reports>;
  /** The last 1,000 samples of each signal of a service: what is captured of a bad window. */
  recentSamples(service: string): readonly { signal: string; samples: readonly Sample[] }[];
  /** The revision that a service's probe last read from it. */
  servedRevision(service: string): { readonly revision: string; readonly at: Date } | null;
  /** Compares releases by the samples that carry their labels. */
  readonly releases: ReleaseJudge;
  /** What is said of every release that is watched, by this server. */
  judgements(): readonly Judgement[];
  /** Of several servers one judges releases, and acts on what it says. */
  isJudging(): boolean;
  readonly layer: Layer<"signals">;
  routes(app: App): void;
  stop(): Promise<void>;
}

/** `unknown`: missing data, or too few: neither well nor bad. */
export type RuleState = "well" | "bad" | "unknown" | "gone";

export interface SignalsDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  /** How long a check of the baseline waits for fresh samples. Default: by the signals' pace. */
  readonly baselineDeadlineMs?: number;
  /** Who sends copies of requests to a release that serves nobody. Default: nobody. */
  readonly controls?: ControlSource;
}

const turnMs = 1_000;
const trimEveryTurns = 60;
/** What trials remember is large, and rebuilt from a few seconds more of samples. */
const trialsEveryTurns = 5;
const bucketsKeptMs = 3_600_000;
const contrastSpanMs = 3_600_000;

/** Restores what was stored, starts the probes and the loop. */
export async function createSignals(deps: SignalsDeps): Promise<Signals> {
  const { db, world, log, configuration } = deps;
  const writer = createEvidenceWriter(db);
  const memory = createSignalMemory(writer);
  const releases = createJudgedReleases({
    ...{ ...deps, writer, controls: deps.controls ?? null },
    ready: (samples) => void judgeAll(samples),
    unknown: (samples) => samples.forEach(memory.keep),
  });
  const { judge, labels } = releases;
  const engine = createRuleEngine({ world, writer, memory, desk: () => desk, releases });
  const judgeAll = (samples: readonly Sample[]) => {
    const taken = engine.ingest(samples);
    judge.settle();
    return taken;
  };
  const intake = createSampleIntake({ world, log, labels, judge: judgeAll });
  const upstream = (service: string) => upstreamOf(configuration.current(), service);
  const desk: VerdictDesk = createVerdictDesk({
    world,
    log,
    freshForMs: () => configuration.current().triage.freshFor,
    hasExposedChange: (service, since) => hasExposedChange(db, upstream(service), since),
    announcements: (service) => findAnnouncements(db, upstream(service), world.now()),
    levelsOf: engine.levelsOf,
    read: engine.read,
    record: writer.verdict,
  });
  const probes = createProbeLoop({ world, take: engine.take });

  const since = new Date(world.now().getTime() - bucketsKeptMs);
  memory.restore(await loadBuckets(db, since), await loadChunks(db, "services"));
  await releases.start();
  engine.restore(await loadStates(db));
  const configure = () => {
    engine.configure(configuration.current());
    probes.configure(configuration.current());
  };
  configure();

  const reports = createReports({ db, world, configuration, say: desk.say });
  let turns = 0;
  const loop = startLoop({
    name: "signals",
    everyMs: turnMs,
    log,
    async run() {
      configure();
      engine.noticeSilence();
      await releases.turn();
      turns += 1;
      await save(turns % trialsEveryTurns === 0);
      if (turns % trimEveryTurns === 0) await trimSignals(db, world.now());
    },
  });

  async function save(withTrials: boolean): Promise<void> {
    const states = engine.takeDirty();
    try {
      await writer.flush(states, world.now());
    } catch (error) {
      engine.markDirty(states);
      throw error;
    }
    await releases.save(withTrials);
  }

  function watchNamed(name: string): Watch {
    const watch = engine.watch(name);
    if (watch !== null) return watch;
    throw new Fault(
      "not_found",
      `No rule ${name.slice(0, 100)} is in force: \`lastgood signals\` lists them.`,
    );
  }

  function status(service: string | null): SignalsStatus {
    return {
      rules: engine
        .watches()
        .filter(({ rule }) => service === null || rule.service === service)
        .map((watch) => statusOf(watch, engine, desk)),
      counts: {
        ...{ ...engine.counts, probesSkipped: probes.skipped(), unfit: intake.unfit() },
        unknownRelease: labels.counts().unknownRelease,
        dropped: writer.dropped() + labels.counts().dropped + releases.dropped(),
      },
    };
  }

  async function details(name: string): Promise<RuleDetails> {
    const rule = statusOf(watchNamed(name), engine, desk);
    const [trajectory, verdicts] = await Promise.all([
      readTrajectory(db, name),
      readVerdicts(db, name),
    ]);
    return {
      rule,
      trajectory: trajectory.map(({ rule: _, kind, at, ...point }) => ({
        ...point,
        at: at.toISOString(),
        verdict: kind,
      })),
      verdicts: verdicts.map(({ kind, at, ...each }) => ({
        ...each,
        at: at.toISOString(),
        verdict: kind,
      })),
    };
  }

  async function contrast(service: string, name: string, exposedAt: Date) {
    const watch = engine.watch(name);
    if (watch === null) return null;
    const { rule } = watch;
    const at = exposedAt.getTime();
    const history = memory.history(rule.service, rule.signal);
    const between = (from: number, until: number) =>
      history === null ? { n: 0, sum: 0 } : levelBetween(history, scoreFor(rule), from, until);
    const before = between(at - contrastSpanMs, at);
    const after = between(at, at + contrastSpanMs);
    const peers = engine
      .watches()
      .filter((peer) => peer.rule.service !== service && peer.rule.customerFacing);
    const saying = (...states: readonly RuleState[]) =>
      peers.map((peer) => peer.rule.name).filter((peer) => states.includes(stateOf(peer, null)));
    return {
      evidence: contrastEvidence(before, after, deltaOf(rule)),
      before: levelOfSum(before),
      after: levelOfSum(after),
      unaffectedPeers: saying("well"),
      affectedPeers: saying("bad"),
    };
  }

  function stateOf(name: string, dimension: string | null): RuleState {
    const watch = engine.watch(name);
    const said = desk.said(name, dimension)?.kind;
    if (watch === null) {
      const unjudged = reports.isWitnessed(name) ? "unknown" : "gone";
      return judge.stateOf(name, dimension) ?? unjudged;
    }
    if (said === "regression" || said === "drift") return "bad";
    return said === "hold" && !engine.isSilent(watch) ? "well" : "unknown";
  }

  async function replay(since: Date, signal: AbortSignal): Promise<readonly Replayed[]> {
    const found: Replayed[] = [];
    for (const { rule } of engine.watches()) {
      const buckets = streamBuckets(db, rule.service, rule.signal, since);
      found.push(...(await replayRule(rule, buckets, signal)));
    }
    return found;
  }

  return {
    onVerdict: desk.onVerdict,
    ingest: (samples) => void intake.take(samples),
    status,
    stateOf,
    contrast,
    replay,
    reportsOf: (service, from) => reportsOf(db, service, from),
    recentSamples: (service) =>
      memory
        .signalsOf(service)
        .map(({ signal, history }) => ({ signal, samples: recentOf(history) })),
    servedRevision: probes.servedRevision,
    releases: judge,
    judgements: releases.judgements,
    isJudging: releases.isJudging,
    layer: createBaselineLayer({
      world,
      configuration,
      engine,
      memory,
      attend: probes.attend,
      alarmedSince: (rules, from) => findAlarmedSince(db, rules, from),
      ...(deps.baselineDeadlineMs === undefined ? {} : { deadlineMs: deps.baselineDeadlineMs }),
    }),
    routes(app) {
      releaseJudgeRoutes(app, releases);
      signalsRoutes(app, {
        world,
        ingest: intake.take,
        unknownAmong: releases.unknownAmong,
        isProbed: (service, signal) => isProbed(configuration, service, signal),
        status,
        details,
        async remeasure(name, actor) {
          const watch = watchNamed(name);
          engine.remeasure(watch);
          await audit(db, {
            at: world.now(),
            actor,
            action: "signals.remeasure",
            target: name,
            outcome: "done",
            because: "",
          });
          return statusOf(watch, engine, desk);
        },
        report: reports.report,
        reports: (service, from) => findReports(db, service, from),
      });
    },
    async stop() {
      await probes.stop();
      await loop.stop();
      await desk.settled();
      try {
        await save(true);
      } finally {
        // Its loop would go on, where PostgreSQL is away.
        await releases.stop();
      }
    },
  };
}

function isProbed(configuration: Configuration, service: string, signal: string): boolean {
  const declared = configuration.current().services[service];
  if (declared === undefined) return false;
  return Object.entries(declared.probes).some(
    ([probe, { read }]) => Object.values(probeSignals(probe)).includes(signal) || signal in read,
  );
}
