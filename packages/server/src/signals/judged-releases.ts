/** What judges releases, put together: labels looked up, floors from the past, verdicts, evidence kept. */
import { hostname } from "node:os";
import type { JudgementDetails, Judgement as Shown } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { Db } from "../store/database.ts";
import { createStandingLease } from "../store/standing-lease.ts";
import type { World } from "../world.ts";
import type { ControlSource } from "./ask-control.ts";
import type { EvidenceWriter } from "./evidence-writer.ts";
import { createOneJudge } from "./one-judge.ts";
import { createReleaseJudge, type RunningReleaseJudge } from "./release-judge.ts";
import { createReleaseLabels, type ReleaseLabel, type ReleaseLabels } from "./release-labels.ts";
import { createReleaseMemory } from "./release-memory.ts";
import { detailsOf, judgementToApi } from "./release-status.ts";
import { type JudgeNews, loadTrials, saveNews } from "./release-store.ts";
import type { Took } from "./release-trial.ts";
import type { Sample } from "./sample.ts";
import { loadChunks } from "./signals-store.ts";

export interface JudgedReleasesDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly writer: EvidenceWriter;
  readonly controls: ControlSource | null;
  /** Takes in what waited for its label to be looked up. */
  ready(samples: readonly Sample[]): void;
  /** Keeps for the record what is of no release that exists. */
  unknown(samples: readonly Sample[]): void;
}

export interface JudgedReleases {
  readonly judge: RunningReleaseJudge;
  readonly labels: ReleaseLabels;
  /** Takes in a sample of a release, here or for the server that judges. */
  take(sample: Sample): Took;
  /** Whether this server judges now: who does not, acts on nothing either. */
  isJudging(): boolean;
  /** Goes on from what is stored, and begins to take turns. */
  start(): Promise<void>;
  /** Looks these up within two seconds; the ones that nobody knows, as far as can be told. */
  unknownAmong(samples: readonly Sample[]): Promise<readonly string[]>;
  /** One turn of the room's loop. */
  turn(): Promise<void>;
  /** Writes what is new; throws, with everything kept, when PostgreSQL is away. */
  save(withTrials: boolean): Promise<void>;
  judgements(): readonly Shown[];
  judgement(environment: string, artifact: string): Promise<JudgementDetails>;
  dropped(): number;
  /** After the last `save`. */
  stop(): Promise<void>;
}

const lookWithinMs = 2_000;
/** So long nobody judges after a server died that did. */
const leaseMs = 3_000;
/** Several servers may run in one process. */
let instances = 0;

export function createJudgedReleases(deps: JudgedReleasesDeps): JudgedReleases {
  const { db, world, log, configuration, writer } = deps;
  const environment = () => configuration.current().releases.environment;
  const memory = createReleaseMemory(writer);
  const labels = createReleaseLabels({ ...deps, environment });
  const judge = createReleaseJudge({
    ...{ ...deps, memory, environment },
    freshForMs: () => configuration.current().triage.freshFor,
  });

  async function load(): Promise<void> {
    const [chunks, trials] = [await loadChunks(db, "releases"), await loadTrials(db)];
    memory.restore(chunks);
    judge.restore(trials);
    // What had not been written is another's to say now.
    judge.takeNews(true);
  }

  const lease = createStandingLease(db, {
    ...{ name: "release-judge", holder: `${hostname()}:${process.pid}:${++instances}` },
    ttlMs: leaseMs,
  });
  const one = createOneJudge({
    ...{ db, log, lease, judge, load },
    async readAlong() {
      judge.restore(await loadTrials(db));
      judge.takeNews(true);
    },
  });

  return {
    ...{ judge, labels, take: one.take, isJudging: one.isJudging, dropped: one.dropped },
    ...{ start: one.start, stop: one.stop },
    async unknownAmong(samples) {
      const asked = new Map<string, ReleaseLabel>();
      for (const sample of samples) {
        if (labels.isKnown(sample)) continue;
        const { release, environment: where } = sample;
        const label = { environment: where ?? environment(), release: release ?? "" };
        asked.set(`${label.environment}\n${label.release}`, label);
      }
      if (asked.size === 0) return [];
      const unknown = await within(lookWithinMs, labels.look([...asked.values()])).catch((err) => {
        // They wait, and are judged when it can be told.
        log.warn({ err }, "the labels of samples could not be looked up");
        return [];
      });
      return unknown.map((label) => `${label.release} in ${label.environment}`);
    },
    async turn() {
      if (one.isJudging()) await judge.turn();
      await labels.settle();
    },
    async save(withTrials) {
      if (!one.isInOffice()) return;
      const news = judge.takeNews(withTrials);
      const mark = withTrials ? one.mark() : null;
      if (isNothing(news) && (mark?.handed.length ?? 0) === 0) {
        if (mark !== null) one.stored(mark);
        return;
      }
      try {
        await saveNews(db, news, world.now(), (tx) => one.fence(tx, mark));
      } catch (error) {
        judge.keepNews(news);
        throw error;
      }
      if (mark !== null) one.stored(mark);
    },
    judgements: () => judge.trials().flatMap((judged) => judgementToApi(judged) ?? []),
    async judgement(where, artifact) {
      const judged = judge
        .trials()
        .find(
          ({ trial: { watched } }) =>
            watched.environment === where && watched.artifact === artifact,
        );
      return await detailsOf(db, where, artifact, judged ?? null);
    },
  };
}

function isNothing({ trials, ended, floors, verdicts }: JudgeNews): boolean {
  return trials.length + ended.length + floors.length + verdicts.length === 0;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
