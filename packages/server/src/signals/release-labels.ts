/**
 * Which releases exist: a label that nobody knows is kept out of judging, and never guessed at.
 *
 *   U1. Judging never waits for PostgreSQL: what was seen once is known for good, as releases are never deleted.
 *   U2. Samples of a label that is not known yet wait until it was looked up, at most `waitingMax` of them; the
 *       oldest go first, and are counted.
 *   U3. What was looked up in vain is looked up again when it is sent again, by other rooms after ten seconds:
 *       it may be published later.
 */
import type { Logger } from "pino";
import type { Query } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Sample } from "./sample.ts";

export interface ReleaseLabel {
  readonly environment: string;
  /** `artifact:version`. */
  readonly release: string;
}

export interface ReleaseLabels {
  /** Splits what came in; what waits (U2) is handed to `known` or `unknown` later. */
  sift(samples: readonly Sample[]): { readonly ready: readonly Sample[]; readonly unknown: number };
  /** Looks these up now; the ones that nobody knows. Rejects while PostgreSQL is away. */
  look(labels: readonly ReleaseLabel[]): Promise<readonly ReleaseLabel[]>;
  /** Looks up what waits; safe to repeat. */
  settle(): Promise<void>;
  counts(): { readonly unknownRelease: number; readonly waiting: number; readonly dropped: number };
}

export interface ReleaseLabelsDeps {
  readonly db: Query;
  readonly world: World;
  readonly log: Logger;
  /** Where a sample's release serves that does not say it. */
  environment(): string;
  /** Takes in what waited, and turned out to be of a release that exists. */
  ready(samples: readonly Sample[]): void;
  /** Keeps for the record what is of no release that exists. */
  unknown(samples: readonly Sample[]): void;
}

const waitingMax = 10_000;
const knownMax = 10_000;
const lookAgainMs = 10_000;

export function createReleaseLabels(deps: ReleaseLabelsDeps): ReleaseLabels {
  const { db, world, log } = deps;
  const known = new Set<string>();
  const unknownUntil = new Map<string, number>();
  let waiting: Sample[] = [];
  let looking: Promise<void> | null = null;
  let unknownRelease = 0;
  let dropped = 0;

  /** Null: it was not looked up, or too long ago. */
  function stateOf(label: string, now: number): "known" | "unknown" | null {
    if (known.has(label)) return "known";
    const until = unknownUntil.get(label);
    return until !== undefined && until > now ? "unknown" : null;
  }

  function keyOf({ environment, release }: Sample): string {
    return `${environment ?? deps.environment()}\n${release}`;
  }

  function wait(sample: Sample): void {
    waiting.push(sample);
    if (waiting.length < waitingMax * 2) return;
    dropped += waiting.length - waitingMax;
    waiting = waiting.slice(-waitingMax);
  }

  function sift(samples: readonly Sample[]) {
    const now = world.now().getTime();
    const ready: Sample[] = [];
    const foreign: Sample[] = [];
    for (const sample of samples) {
      const state = sample.release == null ? "known" : stateOf(keyOf(sample), now);
      if (state === "known") ready.push(sample);
      else if (state === "unknown") foreign.push(sample);
      else wait(sample);
    }
    if (foreign.length > 0) {
      unknownRelease += foreign.length;
      deps.unknown(foreign);
    }
    if (waiting.length > 0) void settle().catch(() => {});
    return { ready, unknown: foreign.length };
  }

  async function look(labels: readonly ReleaseLabel[]): Promise<readonly ReleaseLabel[]> {
    const now = world.now().getTime();
    const asked = new Map(labels.map((each) => [`${each.environment}\n${each.release}`, each]));
    const open = [...asked].filter(([key]) => !known.has(key));
    if (open.length > 0) {
      const found = await findLabels(
        db,
        open.map(([, label]) => label),
      );
      if (known.size > knownMax) known.clear();
      if (unknownUntil.size > knownMax) unknownUntil.clear();
      for (const [key, { environment, release }] of open) {
        if (found.has(key)) known.add(key);
        else if (stateOf(key, now) === null) {
          unknownUntil.set(key, now + lookAgainMs);
          log.warn(
            { environment, release },
            "samples of a release that nobody knows are not judged",
          );
        }
      }
    }
    return [...asked].flatMap(([key, label]) => (known.has(key) ? [] : [label]));
  }

  function settle(): Promise<void> {
    looking ??= lookUpWaiting().finally(() => {
      looking = null;
    });
    return looking;
  }

  async function lookUpWaiting(): Promise<void> {
    while (waiting.length > 0) {
      const labels = waiting.flatMap(({ environment, release }) =>
        release == null ? [] : [{ environment: environment ?? deps.environment(), release }],
      );
      await look(labels);
      const now = world.now().getTime();
      const taken = waiting;
      waiting = [];
      const isKnown = (sample: Sample) => stateOf(keyOf(sample), now) === "known";
      const foreign = taken.filter((sample) => stateOf(keyOf(sample), now) === "unknown");
      unknownRelease += foreign.length;
      if (foreign.length > 0) deps.unknown(foreign);
      deps.ready(taken.filter(isKnown));
      waiting.push(...taken.filter((sample) => stateOf(keyOf(sample), now) === null));
    }
  }

  return {
    sift,
    look,
    settle,
    counts: () => ({ unknownRelease, waiting: waiting.length, dropped }),
  };
}

/** Those of the labels whose release was published, in an environment that something was pinned in. */
async function findLabels(
  db: Query,
  labels: readonly ReleaseLabel[],
): Promise<ReadonlySet<string>> {
  const parts = labels.map(({ environment, release }) => {
    const at = release.indexOf(":");
    return { environment, release, artifact: release.slice(0, at), version: release.slice(at + 1) };
  });
  const rows = await db<{ environment: string; release: string }[]>`
    select l.environment, l.release
    from jsonb_to_recordset(${db.json(parts)}) as l(
      environment text, release text, artifact text, version text)
    join releases r on r.artifact = l.artifact and r.version = l.version
    join environments e on e.name = l.environment`;
  return new Set(rows.map(({ environment, release }) => `${environment}\n${release}`));
}
