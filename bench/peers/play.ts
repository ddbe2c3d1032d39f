/**
 * One run of one side: a worker is killed at moments that the seed chooses and another started at once, so often
 * as was asked; the last one works to the end. The same seed kills every side after the same number of steps.
 */
import { setTimeout as pause } from "node:timers/promises";
import { chanceOf } from "../../packages/server/src/drills/random.ts";
import type { Briefing } from "./briefing.ts";
import { type Life, startLife } from "./life.ts";
import type { Line } from "./said.ts";

/** One side's own part of a run: work that is given, and how its end is known. */
export interface Contest {
  /** `<worker>-worker.ts` is its program. */
  readonly worker: string;
  readonly tasks: readonly string[];
  briefing(open: readonly string[]): Briefing;
  /** Answers with how many effects a person had to look up, and settle. */
  untilDone(life: Life): Promise<number>;
}

export interface Plan {
  readonly seed: number;
  readonly kills: number;
}

/** What a life leaves: when it began and was killed, and what it said. */
export type Left = Pick<Life, "startedAt" | "lines"> & { readonly killedAt: number | null };

export interface Played {
  readonly lives: readonly Left[];
  readonly tasks: readonly string[];
  readonly settled: number;
}

/** It has acted at most so often before it is killed, and then lives up to so long. */
const actsMax = 5;
const momentMsMax = 12;

export async function play(contest: Contest, { seed, kills }: Plan): Promise<Played> {
  const chance = chanceOf(seed);
  const lives: Life[] = [];
  const start = () => {
    const open = openOf(
      contest.tasks,
      lives.flatMap(({ lines }) => lines),
    );
    const life = startLife(contest.worker, contest.briefing(open));
    lives.push(life);
    return life;
  };
  let life = start();
  try {
    for (let n = 0; n < kills; n++) {
      const acts = chance.integer(0, actsMax);
      await (acts === 0 ? life.hasSaid("loaded", 1) : life.hasSaid("acting", acts));
      await pause(chance.next() * momentMsMax);
      await life.kill();
      life = start();
    }
    const settled = await contest.untilDone(life);
    await life.stop();
    const left = lives.map(({ startedAt, lines, killedAt }) => ({
      ...{ startedAt, lines, killedAt: killedAt() },
    }));
    return { lives: left, tasks: contest.tasks, settled };
  } finally {
    await life.stop();
  }
}

function openOf(tasks: readonly string[], lines: readonly Line[]): readonly string[] {
  const done = new Set(lines.flatMap((line) => (line.say === "completed" ? [line.task] : [])));
  return tasks.filter((task) => !done.has(task));
}
