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
  /** It is of no release, or of one that was seen before. */
  isKnown(sample: Sample): boolean;
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
  /** Labels by environment. */
  const known = new Map<string, Set<string>>();
  let knownCount = 0;
  const unknownUntil = new Map<string, number>();
  let waiting: Sample[] = [];
  let looking: Promise<void> | null = null;
  let unknownRelease = 0;
  let dropped = 0;

  const labelOf = ({ environment, release }: Sample): ReleaseLabel => ({
    environment: environment ?? deps.environment(),
    release: release ?? "",
  });

  function isKnown({ environment, release }: Sample): boolean {
    return release == null || known.get(environment ?? deps.environment())?.has(release) === true;
  }

  /** Null: it was not looked up, or too long ago. */
  function stateOf(sample: Sample, now: number): "known" | "unknown" | null {
    if (isKnown(sample)) return "known";
    const until = unknownUntil.get(keyOf(labelOf(sample)));
    return until !== undefined && until > now ? "unknown" : null;
  }

  function remember({ environment, release }: ReleaseLabel): void {
    if (knownCount >= knownMax) {
      known.clear();
      knownCount = 0;
    }
    const ofEnvironment = known.get(environment) ?? new Set();
    known.set(environment, ofEnvironment.add(release));
    knownCount += 1;
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
      const state = stateOf(sample, now);
      if (state === "known") ready.push(sample);
      else if (state === "unknown") foreign.push(sample);
      else wait(sample);
    }
    if (foreign.length > 0) {
      unknownRelease += foreign.length;
      deps.unknown(foreign);
    }
    // In vain, they go on waiting: the loop settles them again, and says why it could not.
    if (waiting.length > 0) void settle().catch(() => {});
    return { ready, unknown: foreign.length };
  }

  async function look(labels: readonly ReleaseLabel[]): Promise<readonly ReleaseLabel[]> {
    const asked = new Map(labels.map((label) => [keyOf(label), label]));
    const open = [...asked].filter(
      ([, { environment, release }]) => known.get(environment)?.has(release) !== true,
    );
    if (open.length === 0) return [];
    const now = world.now().getTime();
    const found = await findLabels(
      db,
      open.map(([, label]) => label),
    );
    if (unknownUntil.size > knownMax) unknownUntil.clear();
    return open.flatMap(([key, label]) => {
      if (found.has(key)) {
        remember(label);
        return [];
      }
      const wasTold = (unknownUntil.get(key) ?? 0) > now;
      if (!wasTold) {
        unknownUntil.set(key, now + lookAgainMs);
        log.warn({ ...label }, "samples of a release that nobody knows are not judged");
      }
      return [label];
    });
  }

  function settle(): Promise<void> {
    looking ??= lookUpWaiting().finally(() => {
      looking = null;
    });
    return looking;
  }

  async function lookUpWaiting(): Promise<void> {
    while (waiting.length > 0) {
      await look(waiting.map(labelOf));
      const now = world.now().getTime();
      const taken = waiting;
      waiting = [];
      const foreign = taken.filter((sample) => stateOf(sample, now) === "unknown");
      unknownRelease += foreign.length;
      if (foreign.length > 0) deps.unknown(foreign);
      deps.ready(taken.filter(isKnown));
      waiting.push(...taken.filter((sample) => stateOf(sample, now) === null));
    }
  }

  return {
    ...{ sift, isKnown, look, settle },
    counts: () => ({ unknownRelease, waiting: waiting.length, dropped }),
  };
}

function keyOf({ environment, release }: ReleaseLabel): string {
  return `${environment}\n${release}`;
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
