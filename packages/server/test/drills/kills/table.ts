/** The table that the killer prints. */
import type { Judged } from "./judge.ts";
import type { Life } from "./life.ts";
import { stepOf } from "./said.ts";
import type { WorldAtEnd } from "./world-at-end.ts";

export interface Outcome {
  readonly seed: number;
  readonly engine: string;
  readonly tookMs: number;
  readonly kills: number;
  readonly lives: readonly Life[];
  readonly judged: readonly Judged[];
  readonly world: WorldAtEnd;
}

export interface Times {
  readonly count: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

export function tableOf(outcome: Outcome): string {
  const { seed, engine, tookMs, kills, lives, judged, world } = outcome;
  const crashed = [...world.sessions.values()].filter(
    ({ record }) => record.exit_reason === "crashed",
  );
  const row = (what: string, value: string | number) => `${what.padEnd(52)} ${value}`;
  const times = (what: string, { count, p50, p95, max }: Times) =>
    row(what, `p50 ${p50 ?? "-"}  p95 ${p95 ?? "-"}  max ${max ?? "-"}  (${count})`);
  return [
    row("seed", seed),
    row("engine of the messages", engine),
    row("seconds", (tookMs / 1_000).toFixed(1)),
    row("kills", kills),
    row("workers, sessions", `${lives.length}, ${world.sessions.size}`),
    row("tasks, questions", `${world.jobs.length}, ${world.given.length - world.jobs.length}`),
    row("effects in the outside", [...world.outside.values()].flat().length),
    row("crashes noticed", crashed.length),
    row("effects listed as unknown, settled by a person", world.unknown.length),
    row("agents parked and let go again", world.released),
    "",
    ...judged.map(({ what, violations }) => row(what, violations.length)),
    "",
    times("kill to noticed by the lease, ms", detectionOf(outcome)),
    times("over the lease, ms", overLeaseOf(outcome)),
    times("brief asked to brief there, ms", briefsOf(outcome)),
    "",
    row("killed", stepsOf(lives)),
    ...judged.flatMap(({ what, violations }) =>
      violations.slice(0, shownMax).map((each) => `VIOLATION  ${what}: ${each.slice(0, 2_000)}`),
    ),
  ].join("\n");
}

const shownMax = 10;

/** From the kill to the record of the crash, where nobody else began a session before. */
function detections({ lives, world }: Outcome) {
  return lives.flatMap((life) => {
    const killedAt = life.killedAt();
    const session = world.sessions.get(life.session() ?? "");
    if (killedAt === null || session?.detectedAt == null) return [];
    if (!session.detail.includes("not heard")) return [];
    const tookMs = new Date(session.detectedAt).getTime() - killedAt;
    return [{ tookMs, overMs: tookMs - life.leaseMs }];
  });
}

function detectionOf(outcome: Outcome): Times {
  return timesOf(detections(outcome).map(({ tookMs }) => tookMs));
}

function overLeaseOf(outcome: Outcome): Times {
  return timesOf(detections(outcome).map(({ overMs }) => overMs));
}

function briefsOf({ lives }: Outcome): Times {
  return timesOf(
    lives.flatMap(({ lines }) =>
      lines.flatMap((line) => (line.say === "briefed" ? [Math.round(line.tookMs)] : [])),
    ),
  );
}

export function timesOf(values: readonly number[]): Times {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    count: sorted.length,
    p50: at(0.5) ?? null,
    p95: at(0.95) ?? null,
    max: sorted.at(-1) ?? null,
  };
}

/** Where in their cycle they were killed, and how often. */
function stepsOf(lives: readonly Life[]): string {
  const counts = new Map<string, number>();
  for (const life of lives) {
    if (life.killedAt() === null) continue;
    const step = stepOf(life.lines.at(-1));
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([step, count]) => `${step} ${count}`)
    .join(", ");
}
